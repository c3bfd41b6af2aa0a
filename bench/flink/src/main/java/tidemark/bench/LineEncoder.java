package tidemark.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.OutputStream;
import org.apache.flink.api.common.serialization.Encoder;

/** One line of JSON an event. */
public class LineEncoder implements Encoder<EnrichedEvent> {
    private transient ObjectMapper mapper;

    @Override
    public void encode(EnrichedEvent event, OutputStream stream) throws IOException {
        if (mapper == null) {
            mapper = new ObjectMapper();
        }
        stream.write(mapper.writeValueAsBytes(event));
        stream.write('\n');
    }
}
