/* SPDX-License-Identifier: Apache-2.0 */
/* From a name to a path and back. No name may lead anywhere but into its directory. */
#include "segment/segment.h"

#include "base/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N10 "abcdefghij"
#define N60 N10 N10 N10 N10 N10 N10
#define N63 N60 "abc"

static const struct {
	const char *name;
	const char *path;
} good[] = {
    {"a", "/d/shoal:a"},           {"A9._-", "/d/shoal:A9._-"},
    {"posix:a", "/d/shoal:a"},     {"g/n", "/d/shoal:g:n"},
    {"posix:g/n", "/d/shoal:g:n"}, {"a..b", "/d/shoal:a..b"},
    {"-", "/d/shoal:-"},           {"_/-", "/d/shoal:_:-"},
    {N63, "/d/shoal:" N63},        {N63 "/" N63, "/d/shoal:" N63 ":" N63},
    {"file:/x/y", "/x/y"},         {"file:y", "y"},
    {"file:./y:z", "./y:z"},       {"file:../y", "../y"},
    {"memfd:a", "shoal:a"},        {"memfd:g/n", "shoal:g:n"},
    {"memfd:fd", "shoal:fd"},      {"memfd:pid", "shoal:pid"},
    {"anon:g/n", "shoal:g:n"},     {"anon:", "shoal:"},
};

static const struct {
	const char *name;
	int result;
} bad[] = {
    {"", -EINVAL},
    {"/", -EINVAL},
    {"/a", -EINVAL},
    {"a/", -EINVAL},
    {"g//n", -EINVAL},
    {"g/n/m", -EINVAL},
    {".", -EINVAL},
    {"..", -EINVAL},
    {".a", -EINVAL},
    {"../x", -EINVAL},
    {"g/.a", -EINVAL},
    {"g/..", -EINVAL},
    {".g/a", -EINVAL},
    {"a b", -EINVAL},
    {"a\n", -EINVAL},
    {"a\033[2J", -EINVAL},
    {"\x7f", -EINVAL},
    {"a\x80", -EINVAL},
    {"\xc3\xa4", -EINVAL},
    {"a*", -EINVAL},
    {"posix:", -EINVAL},
    {"posix:a:b", -EINVAL},
    {"posix:/a", -EINVAL},
    {":a", -EINVAL},
    {"a:", -EINVAL},
    {"sysv:", -EINVAL},
    {"sysv:a:b", -EINVAL},
    {"sysv:.a", -EINVAL},
    {"sysv:a/b/c", -EINVAL},
    {"sysv:name=a", -EINVAL},
    {"sysv:key=", -EINVAL},
    {"sysv:key=0", -EINVAL},
    {"sysv:key=-1", -EINVAL},
    {"sysv:key=0xffffffff", -EINVAL},
    {"sysv:key=0x100000000", -EINVAL},
    {"sysv:key=0x1234z", -EINVAL},
    {"sysv:id=", -EINVAL},
    {"sysv:id=-1", -EINVAL},
    {"sysv:id=0x1", -EINVAL},
    {"sysv:id=2147483648", -EINVAL},
    {"sysv:path=", -EINVAL},
    {"sysv:path=,proj=1", -EINVAL},
    {"sysv:path=/,proj=", -EINVAL},
    {"sysv:path=/,proj=-1", -EINVAL},
    {"sysv:path=/,proj=4294967296", -EINVAL},
    {"sysv:path=/no/such/file,proj=1", -ENOENT},
    {"sysv:private=", -EINVAL},
    {"sysv:private=0", -EINVAL},
    {"sysv:private=0123456789ABCDEF", -EINVAL},
    {"sysv:" N63 "d", -ENAMETOOLONG},
    {"POSIX:a", -EINVAL},
    {"filex:a", -EINVAL},
    {"fil:a", -EINVAL},
    {"file:", -EINVAL},
    {"file:x/", -EISDIR},
    {"file:/", -EISDIR},
    {"memfd:", -EINVAL},
    {"memfd:.a", -EINVAL},
    {"memfd:/a", -EINVAL},
    {"memfd:a:b", -EINVAL},
    {"memfd:fd=", -EINVAL},
    {"memfd:fd=x", -EINVAL},
    {"memfd:fd=-1", -EINVAL},
    {"memfd:fd=+1", -EINVAL},
    {"memfd:fd= 1", -EINVAL},
    {"memfd:fd=1x", -EINVAL},
    {"memfd:fd=1,", -EINVAL},
    {"memfd:fd=1,pid=2", -EINVAL},
    {"memfd:fd=2147483648", -EINVAL},
    {"memfd:fd=18446744073709551617", -EINVAL},
    {"memfd:pid=1", -EINVAL},
    {"memfd:pid=1,", -EINVAL},
    {"memfd:pid=1,fd=", -EINVAL},
    {"memfd:pid=0,fd=1", -EINVAL},
    {"memfd:pid=x,fd=1", -EINVAL},
    {"memfd:number=3", -EINVAL},
    {"anon:fd=3", -EINVAL},
    {"anon:.a", -EINVAL},
    {"anon:g/", -EINVAL},
    {"memfd:" N63 "d", -ENAMETOOLONG},
    {"anon:" N63 "d/n", -ENAMETOOLONG},
    {N63 "d", -ENAMETOOLONG},
    {"g/" N63 "d", -ENAMETOOLONG},
    {N63 "d/n", -ENAMETOOLONG},
    {"\033" N63, -ENAMETOOLONG},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int set_up(void **state)
{
	(void)state;
	return setenv("SHOAL_DIR", "/d", 1);
}

static void test_good_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		struct segment_name name;
		assert_int_equal(segment_name_parse(good[i].name, &name), 0);
		assert_string_equal(name.path, good[i].path);
	}
}

static void test_descriptors_are_numbers(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		int descriptor;
		uint32_t pid;
	} numbers[] = {
	    {"memfd:fd=0", 0, 0},
	    {"memfd:fd=3", 3, 0},
	    {"memfd:fd=2147483647", INT32_MAX, 0},
	    {"memfd:pid=1,fd=0", 0, 1},
	    {"memfd:pid=4711,fd=17", 17, 4711},
	    {"memfd:a", -1, 0},
	    {"anon:", -1, 0},
	};
	for (size_t i = 0; i < COUNT(numbers); i++) {
		struct segment_name name;
		assert_int_equal(segment_name_parse(numbers[i].name, &name), 0);
		assert_int_equal(name.descriptor, numbers[i].descriptor);
		assert_int_equal(name.pid, numbers[i].pid);
		assert_true(name.backend->nameless && name.backend->keep);
	}
}

static void test_bad_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct segment_name name;
		int r = segment_name_parse(bad[i].name, &name);
		if (r != bad[i].result &&
		    !(bad[i].result == -ENAMETOOLONG && bad[i].name[0] == '\033' && r == -EINVAL))
			fail_msg("'%s' gives %d", bad[i].name, r);
		assert_true(strlen(shoal_error_detail()) > 10);
	}
	struct segment_name name;
	assert_int_equal(segment_name_parse(NULL, &name), -EINVAL);
}

/* Whatever was given: what is said about it can be shown on a terminal. */
static void test_sentences_have_no_control_characters(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct segment_name name;
		segment_name_parse(bad[i].name, &name);
		for (const char *p = shoal_error_detail(); *p; p++)
			assert_false((unsigned char)*p < 0x20 || *p == 0x7f);
		for (const char *p = name.text; *p; p++)
			assert_false((unsigned char)*p < 0x20 || *p == 0x7f);
	}
}

static void test_long_paths_are_refused(void **state)
{
	(void)state;
	struct segment_name name;
	char path[3000] = "file:";
	memset(path + 5, 'x', sizeof(path) - 6);
	assert_int_equal(segment_name_parse(path, &name), -ENAMETOOLONG);
	path[5 + SEGMENT_PATH_BYTES - 1] = '\0';
	assert_int_equal(segment_name_parse(path, &name), 0);
	char directory[2000];
	memset(directory, 'd', sizeof(directory) - 1);
	directory[sizeof(directory) - 1] = '\0';
	assert_int_equal(setenv("SHOAL_DIR", directory, 1), 0);
	assert_int_equal(segment_name_parse("a", &name), -ENAMETOOLONG);
	assert_int_equal(set_up(NULL), 0);
}

static void test_file_names_lead_back_to_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		char name[160];
		const char *entry = strrchr(good[i].path, '/');
		if (strncmp(good[i].path, "/d/", 3) != 0)
			continue;
		assert_true(backend_posix_name(entry + 1, name, sizeof(name)));
		const char *plain = strncmp(good[i].name, "posix:", 6) ? good[i].name
								       : good[i].name + 6;
		assert_string_equal(name, plain);
	}
	static const char *const others[] = {
	    "shoal",    "shoal:",    "shoal::",   "shoal:a:",   "shoal::a",       "shoal:a:b:c",
	    "shoal:.a", "shoal:a b", "shoal:a/b", "shoal:a\nb", "xshoal:a",       "Shoal:a",
	    "sem.x",    "",          "shoal:..",  "shoal:g:..", ".shoal-new-0000"};
	for (size_t i = 0; i < COUNT(others); i++) {
		char name[160];
		if (backend_posix_name(others[i], name, sizeof(name)))
			fail_msg("'%s' is taken for an object", others[i]);
	}
	char name[4];
	assert_false(backend_posix_name("shoal:abcd", name, sizeof(name)));
}

static bool is_privileged(void)
{
	return true;
}

static void test_set_user_id_programs_ignore_the_environment(void **state)
{
	(void)state;
	struct os_calls calls = os_linux;
	calls.privileged_exec = is_privileged;
	os = &calls;
	assert_string_equal(backend_posix_directory(), "/dev/shm");
	os = &os_linux;
	assert_string_equal(backend_posix_directory(), "/d");
	assert_int_equal(setenv("SHOAL_DIR", "", 1), 0);
	assert_string_equal(backend_posix_directory(), "/dev/shm");
	assert_int_equal(set_up(NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good_names),
	    cmocka_unit_test(test_descriptors_are_numbers),
	    cmocka_unit_test(test_bad_names),
	    cmocka_unit_test(test_sentences_have_no_control_characters),
	    cmocka_unit_test(test_long_paths_are_refused),
	    cmocka_unit_test(test_file_names_lead_back_to_names),
	    cmocka_unit_test(test_set_user_id_programs_ignore_the_environment),
	};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
