package tidemark.bench;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonPropertyOrder;
import java.time.Instant;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;

/** An event as it goes: with its time and its window's bounds as text. */
@JsonPropertyOrder({
    "event_id", "user_id", "session_id", "event_type", "page_url", "timestamp",
    "event_timestamp", "event_timestamp_start", "event_timestamp_end",
    "ip_address", "user_agent", "referrer", "country", "device_type"
})
public class EnrichedEvent extends ClickEvent {
    @JsonProperty("event_timestamp") public String eventTimestamp;
    @JsonProperty("event_timestamp_start") public String eventTimestampStart;
    @JsonProperty("event_timestamp_end") public String eventTimestampEnd;

    public EnrichedEvent() {}

    EnrichedEvent(ClickEvent event, TimeWindow window) {
        eventId = event.eventId;
        userId = event.userId;
        sessionId = event.sessionId;
        eventType = event.eventType;
        pageUrl = event.pageUrl;
        timestamp = event.timestamp;
        ipAddress = event.ipAddress;
        userAgent = event.userAgent;
        referrer = event.referrer;
        country = event.country;
        deviceType = event.deviceType;
        eventTimestamp = Instant.ofEpochMilli(event.timestamp).toString();
        eventTimestampStart = Instant.ofEpochMilli(window.getStart()).toString();
        eventTimestampEnd = Instant.ofEpochMilli(window.getEnd()).toString();
    }
}
