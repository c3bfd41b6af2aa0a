import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.Field;
import java.nio.charset.StandardCharsets;
import org.apache.flink.runtime.rest.messages.MessageHeaders;
import org.apache.flink.runtime.rest.util.RestMapperUtils;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JavaType;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;

/**
 * Reads answers as Flink's own client does. Each line of standard input is the name of a class of
 * Flink's, which says what an endpoint answers, a tab and an answer. For each a line comes back: "ok"
 * and the answer as Flink itself would write it, or "error" and why it cannot be read.
 */
public class FlinkReader {
    private static String read(String headers, String answer) throws Exception {
        ObjectMapper mapper = RestMapperUtils.getStrictObjectMapper();
        Field instance =
                Class.forName("org.apache.flink.runtime.rest.messages." + headers)
                        .getDeclaredField("INSTANCE");
        instance.setAccessible(true);
        MessageHeaders<?, ?, ?> h = (MessageHeaders<?, ?, ?>) instance.get(null);
        Class<?>[] parameters = h.getResponseTypeParameters().toArray(new Class<?>[0]);
        JavaType type =
                mapper.getTypeFactory().constructParametricType(h.getResponseClass(), parameters);
        return mapper.writeValueAsString(mapper.readValue(answer, type));
    }

    public static void main(String[] arguments) throws Exception {
        BufferedReader in =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = in.readLine()) != null; ) {
            String[] parts = line.split("\t", 2);
            try {
                System.out.println("ok\t" + read(parts[0], parts[1]));
            } catch (Exception e) {
                System.out.println("error\t" + e.toString().replaceAll("\\s+", " "));
            }
        }
    }
}
