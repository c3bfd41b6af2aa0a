package tidemark.bench;

import java.time.Duration;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.connector.file.sink.FileSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.core.fs.Path;
import org.apache.flink.streaming.api.CheckpointingMode;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.SinkFunction;
import org.apache.flink.streaming.api.functions.sink.filesystem.rollingpolicies.OnCheckpointRollingPolicy;
import org.apache.flink.streaming.api.functions.windowing.ProcessWindowFunction;
import org.apache.flink.streaming.api.windowing.assigners.TumblingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.time.Time;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;
import org.apache.flink.util.Collector;
import org.apache.flink.util.OutputTag;

/**
 * What tidemark does, as a Flink job that runs in this process: Kafka source, 10 minutes of
 * out-of-orderness, keyed by user, tumbling windows of 5 minutes, the window's bounds added, files,
 * a checkpoint every 30 seconds. It ends at the topic's end.
 *
 * <p>usage: Job BROKERS TOPIC OUTPUT CHECKPOINTS, the last two URIs of directories. Its last line on
 * stdout is what it has counted.
 */
public final class Job {
    private static final OutputTag<ClickEvent> LATE = new OutputTag<>("late") {};

    private Job() {}

    /** Adds the window's bounds to each of its events. */
    public static class Enrich
            extends ProcessWindowFunction<ClickEvent, EnrichedEvent, String, TimeWindow> {
        @Override
        public void process(
                String user,
                Context context,
                Iterable<ClickEvent> events,
                Collector<EnrichedEvent> out) {
            for (ClickEvent event : events) {
                out.collect(new EnrichedEvent(event, context.window()));
            }
        }
    }

    /** Late events are dropped, and counted so that none is missed. */
    public static class CountLate implements SinkFunction<ClickEvent> {
        @Override
        public void invoke(ClickEvent event, Context context) {
            Counts.LATE.increment();
        }
    }

    public static void main(String[] args) throws Exception {
        StreamExecutionEnvironment env = StreamExecutionEnvironment.createLocalEnvironment(1);
        env.enableCheckpointing(30_000, CheckpointingMode.EXACTLY_ONCE);
        env.getCheckpointConfig().setCheckpointStorage(args[3]);
        KafkaSource<ClickEvent> source =
                KafkaSource.<ClickEvent>builder()
                        .setBootstrapServers(args[0])
                        .setTopics(args[1])
                        .setGroupId("flink")
                        .setStartingOffsets(OffsetsInitializer.earliest())
                        .setBounded(OffsetsInitializer.latest())
                        .setValueOnlyDeserializer(new ClickDeserializer())
                        .build();
        WatermarkStrategy<ClickEvent> watermarks =
                WatermarkStrategy.<ClickEvent>forBoundedOutOfOrderness(Duration.ofMinutes(10))
                        .withTimestampAssigner((event, recordTimestamp) -> event.timestamp);
        SingleOutputStreamOperator<EnrichedEvent> enriched =
                env.fromSource(source, watermarks, "kafka")
                        .keyBy(event -> event.userId)
                        .window(TumblingEventTimeWindows.of(Time.minutes(5)))
                        .sideOutputLateData(LATE)
                        .process(new Enrich());
        enriched.getSideOutput(LATE).addSink(new CountLate());
        enriched.sinkTo(
                FileSink.forRowFormat(new Path(args[2]), new LineEncoder())
                        .withRollingPolicy(OnCheckpointRollingPolicy.build())
                        .build());
        env.execute("clickstream");
        System.out.println(Counts.asJson());
    }
}
