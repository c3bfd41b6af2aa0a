/* The exact value of a JSON number that is an integer, however it is written. */
#ifndef TIDEMARK_EVENT_INTEGER_H
#define TIDEMARK_EVENT_INTEGER_H

#include <stddef.h>
#include <stdint.h>

enum integer_result { INTEGER_OK, INTEGER_FRACTION, INTEGER_OUT_OF_RANGE };

/* text is a number by JSON's grammar: 1729630800000, 1.7e12, 17296308e5 and 10.00 are integers. No
 * floating point is used, so no digit is lost, whatever the exponent. */
enum integer_result integer_parse(const char *text, size_t len, int64_t *value);

#endif
