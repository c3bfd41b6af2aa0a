// What ThreadSanitizer is not to report; it asks the program for this.
//
// librdkafka counts references with atomic operations in code that the sanitizer does not see, and
// the thread that drops the last reference destroys the lock that others used. Only a stack whose
// top is that function is passed over: callbacks of ours that librdkafka calls are checked.
const char *__tsan_default_suppressions(void);

const char *__tsan_default_suppressions(void) {
    return "race_top:pthread_rwlock_destroy\n";
}
