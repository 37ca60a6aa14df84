// SPDX-License-Identifier: Apache-2.0
/* Signatures of AWS, version 4: the examples that AWS publishes as its signing test suite, those of
 * them that ask for "/" as a login does. */

#include "unit_support.h"

#include "aws/aws_sign.h"

TestSuite(aws_sign, .fini = support_fini, .timeout = 120);

#define DATE "20150830T123600Z"
#define HEAD                                                                                       \
	"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "        \
	"SignedHeaders="
#define SESSION                                                                                    \
	"AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXm"  \
	"xfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0" \
	"KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lI"  \
	"ZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="

static void assert_signed(const char *method, const char *body, const struct aws_header *headers,
			  size_t count, const char *expected)
{
	_cleanup_aws_keys_ struct aws_keys keys = {
		.id = secret_new("AKIDEXAMPLE", 11),
		.key = secret_new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", 40)};
	const struct aws_request req = {.method = method,
					.body = body,
					.region = "us-east-1",
					.service = "service",
					.date = DATE,
					.headers = headers,
					.header_count = count};
	_cleanup_buf_ struct buf out = {0};

	cr_assert_eq(aws_sign(&req, &keys, &out), 0);
	cr_assert_str_eq(out.data, expected);
}

Test(aws_sign, get_vanilla, .init = support_init)
{
	static const struct aws_header headers[] = {{"host", "example.amazonaws.com"},
						    {"x-amz-date", DATE}};

	assert_signed("GET", "", headers, ARRAY_SIZE(headers),
		      HEAD "host;x-amz-date, Signature="
			   "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
}

Test(aws_sign, post_vanilla, .init = support_init)
{
	static const struct aws_header headers[] = {{"host", "example.amazonaws.com"},
						    {"x-amz-date", DATE}};

	assert_signed("POST", "", headers, ARRAY_SIZE(headers),
		      HEAD "host;x-amz-date, Signature="
			   "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
}

Test(aws_sign, post_header_key_sort, .init = support_init)
{
	static const struct aws_header headers[] = {
		{"host", "example.amazonaws.com"}, {"my-header1", "value1"}, {"x-amz-date", DATE}};

	assert_signed("POST", "", headers, ARRAY_SIZE(headers),
		      HEAD "host;my-header1;x-amz-date, Signature="
			   "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c");
}

Test(aws_sign, post_sts_header_before, .init = support_init)
{
	static const struct aws_header headers[] = {{"host", "example.amazonaws.com"},
						    {"x-amz-date", DATE},
						    {"x-amz-security-token", SESSION}};

	assert_signed("POST", "", headers, ARRAY_SIZE(headers),
		      HEAD "host;x-amz-date;x-amz-security-token, Signature="
			   "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead");
}

Test(aws_sign, post_x_www_form_urlencoded_parameters, .init = support_init)
{
	static const struct aws_header headers[] = {
		{"content-length", "13"},
		{"content-type", "application/x-www-form-urlencoded; charset=utf-8"},
		{"host", "example.amazonaws.com"},
		{"x-amz-content-sha256",
		 "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"},
		{"x-amz-date", DATE}};

	assert_signed("POST", "Param1=value1", headers, ARRAY_SIZE(headers),
		      HEAD "content-length;content-type;host;x-amz-content-sha256;x-amz-date, "
			   "Signature="
			   "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422");
}
