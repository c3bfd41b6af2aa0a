// What ThreadSanitizer is not to report; it asks the program for this.
//
// librdkafka counts references with atomic operations in code that the sanitizer does not see, and
// the thread that drops the last reference destroys the lock that others used, or frees a name that
// others compared with theirs (rdk:broker frees what rdk:main has read). Only a stack whose top is one
// of these functions is passed over: callbacks of ours that librdkafka calls are checked.
const char *__tsan_default_suppressions(void);

const char *__tsan_default_suppressions(void) {
    return "race_top:pthread_rwlock_destroy\nrace_top:strcmp\n";
}
