package tidemark.bench;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonProperty;

/** An event as it comes: the fields that the job knows; others are left out. A POJO to Flink. */
@JsonIgnoreProperties(ignoreUnknown = true)
public class ClickEvent {
    @JsonProperty("event_id") public String eventId;
    @JsonProperty("user_id") public String userId;
    @JsonProperty("session_id") public String sessionId;
    @JsonProperty("event_type") public String eventType;
    @JsonProperty("page_url") public String pageUrl;
    @JsonProperty("timestamp") public long timestamp;
    @JsonProperty("ip_address") public String ipAddress;
    @JsonProperty("user_agent") public String userAgent;
    @JsonProperty("referrer") public String referrer;
    @JsonProperty("country") public String country;
    @JsonProperty("device_type") public String deviceType;
}
