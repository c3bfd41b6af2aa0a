// What ThreadSanitizer is not to report; it asks the program for this.
//
// librdkafka counts references with atomic operations in code that the sanitizer does not see. The
// thread that drops the last reference destroys the lock that others used and frees what others have
// read: a batch's buffer, a name. mtx_destroy is the shim's, which librdkafka alone calls; for the
// other two only a stack whose top is that function is passed over, so callbacks of ours that
// librdkafka calls are checked. Memory of ours that is used after its end is AddressSanitizer's to
// find, in the same tests.
const char *__tsan_default_suppressions(void);

const char *__tsan_default_suppressions(void) {
    return "race_top:pthread_rwlock_destroy\nrace:mtx_destroy\nrace_top:free\n";
}
