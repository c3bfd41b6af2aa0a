package tidemark.bench;

import java.util.concurrent.atomic.LongAdder;

/** What the job has done, for the benchmark: all of it runs in one process. */
final class Counts {
    static final LongAdder READ = new LongAdder();
    static final LongAdder REJECTED = new LongAdder();
    static final LongAdder LATE = new LongAdder();
    private static volatile long firstMs;
    private static volatile long lastMs;

    private Counts() {}

    static void tookRecord() {
        READ.increment();
        lastMs = System.currentTimeMillis();
        if (firstMs == 0) {
            firstMs = lastMs;
        }
    }

    /** Times are those of the wall clock. */
    static String asJson() {
        return String.format(
                "{\"read\":%d,\"rejected\":%d,\"late\":%d,\"first_ms\":%d,\"last_ms\":%d}",
                READ.sum(), REJECTED.sum(), LATE.sum(), firstMs, lastMs);
    }
}
