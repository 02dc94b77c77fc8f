/* SPDX-License-Identifier: MIT */
/*
 * The patterns of KEYS, SCAN and PSUBSCRIBE: examples, all short patterns against a
 * matcher that is obviously right, and one that must not take forever.
 */
#include "call.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static bool glob(const char *pattern, const char *text)
{
	return kv_glob((struct kv_bytes){ pattern, strlen(pattern) },
		       (struct kv_bytes){ text, strlen(text) });
}

TEST(glob_examples)
{
	static const struct {
		const char *pattern, *yes, *no;
	} examples[] = {
		{ "", "", "a" },
		{ "*", "", NULL },
		{ "**", "abc", NULL },
		{ "a*", "abc", "bac" },
		{ "*c", "abc", "abcd" },
		{ "a*c", "ac", "acb" },
		{ "a?c", "abc", "ac" },
		{ "[ab]", "b", "c" },
		{ "[^ab]", "c", "a" },
		{ "[a-c]x", "bx", "dx" },
		{ "[c-a]", "b", "d" },
		{ "[^a-c]", "d", "b" },
		{ "\\*", "*", "a" },
		{ "\\?x", "?x", "ax" },
		{ "[\\]]", "]", "\\" },
		{ "a\\", "a\\", "a" },
		{ "[a", "a", "b" },
		{ "h[ae]llo*", "hello world", "hillo" },
		{ "*ab*ab*", "xabyabz", "xabyz" },
	};

	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
		if (!glob(examples[i].pattern, examples[i].yes))
			FAIL("\"%s\" should match \"%s\"", examples[i].pattern, examples[i].yes);
		if (examples[i].no && glob(examples[i].pattern, examples[i].no))
			FAIL("\"%s\" should not match \"%s\"", examples[i].pattern,
			     examples[i].no);
	}
}

/* By trying everything: characters, ? and * only. */
static bool simple(const char *p, const char *t)
{
	if (*p == '*')
		return simple(p + 1, t) || (*t && simple(p, t + 1));
	if (!*t || !*p)
		return *t == *p;
	return (*p == '?' || *p == *t) && simple(p + 1, t + 1);
}

/* Word number n over the alphabet; true until all of this length were given. */
static bool word(int n, const char *alphabet, int len, char *out)
{
	int letters = (int)strlen(alphabet);

	for (int i = 0; i < len; i++, n /= letters)
		out[i] = alphabet[n % letters];
	out[len] = '\0';
	return n == 0;
}

TEST(glob_agrees_with_trying_everything)
{
	char pattern[8], text[8];
	int matched = 0;

	for (int plen = 0; plen <= 5; plen++) {
		for (int p = 0; word(p, "ab?*", plen, pattern); p++) {
			for (int tlen = 0; tlen <= 5; tlen++) {
				for (int t = 0; word(t, "ab", tlen, text); t++) {
					bool wanted = simple(pattern, text);

					matched += wanted;
					if (glob(pattern, text) != wanted)
						FAIL("\"%s\" and \"%s\"", pattern, text);
				}
			}
		}
	}
	CHECK_GT(matched, 1000);
}

/* Going back for each star would take 2^50 steps. */
TEST(glob_of_many_stars_is_quick)
{
	static char text[10001], pattern[201];

	memset(text, 'a', 10000);
	for (int i = 0; i < 100; i++)
		memcpy(pattern + 2 * i, "*a", 2);
	CHECK(glob(pattern, text));
	pattern[199] = 'b';
	CHECK(!glob(pattern, text));
}
