package tidemark.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.typeinfo.TypeInformation;

/** From a record's value to an event; null, which the source leaves out, where it is none. */
public class ClickDeserializer implements DeserializationSchema<ClickEvent> {
    private transient ObjectMapper mapper;

    @Override
    public void open(InitializationContext context) {
        mapper = new ObjectMapper();
    }

    @Override
    public ClickEvent deserialize(byte[] value) {
        Counts.tookRecord();
        ClickEvent event = parse(value);
        if (event == null) {
            Counts.REJECTED.increment();
        }
        return event;
    }

    private ClickEvent parse(byte[] value) {
        if (value == null || value.length == 0) {
            return null;
        }
        try {
            ClickEvent event = mapper.readValue(value, ClickEvent.class);
            return event == null || event.userId == null || event.timestamp <= 0 ? null : event;
        } catch (IOException e) {
            return null;
        }
    }

    @Override
    public boolean isEndOfStream(ClickEvent next) {
        return false;
    }

    @Override
    public TypeInformation<ClickEvent> getProducedType() {
        return TypeInformation.of(ClickEvent.class);
    }
}
