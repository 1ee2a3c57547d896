#include "postrider/base/ip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void networks_hold_their_addresses(void **state ATTR_UNUSED)
{
    static const struct {
        const char *network, *address;
        bool is_in;
    } cases[] = {
        {"10.0.0.0/8", "10.255.1.2", true},
        {"10.0.0.0/8", "11.0.0.1", false},
        {"10.0.0.5", "10.0.0.5", true},
        {"10.0.0.5", "10.0.0.6", false},
        {"10.0.0.0/31", "10.0.0.1", true},
        {"10.0.0.0/31", "10.0.0.2", false},
        {"0.0.0.0/0", "200.1.1.1", true},
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"::/0", "10.0.0.1", false},
        {"10.0.0.0/8", "::ffff:10.0.0.1", true},
        {"10.0.0.0/33", "10.0.0.0", false},
        {"10.0.0.0/", "10.0.0.0", false},
        {"10.0.0.0/8/8", "10.0.0.0", false},
        {"", "", false},
        {"host", "host", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (ip_network_has(str_of(cases[i].network), str_of(cases[i].address)) !=
            cases[i].is_in) {
            fail_msg("%s in %s", cases[i].address, cases[i].network);
        }
    }
}

static void addresses_and_networks_are_told_from_other_text(void **state ATTR_UNUSED)
{
    static const struct {
        const char *text;
        bool is_address, is_network;
    } cases[] = {
        {"10.0.0.1", true, true},
        {"::1", true, true},
        {"::ffff:1.2.3.4", true, true},
        {"10.0.0.0/8", false, true},
        {"2001:db8::/32", false, true},
        {"10.0.0.0/33", false, false},
        {"10.0.0.1:80", false, false},
        {"[::1]", false, false},
        {"", false, false},
        {"/8", false, false},
        {"unknown", false, false},
        {"1111111111111111111111111111111111111111111111111111111111111111", false,
         false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(ip_is_address(str_of(cases[i].text)), cases[i].is_address);
        assert_int_equal(ip_is_network(str_of(cases[i].text)), cases[i].is_network);
    }
    assert_false(ip_is_address(str_from("10.0.0.1\0x", 10)));
}

static void lists_are_searched_whole(void **state ATTR_UNUSED)
{
    struct str list = STR(" 10.0.0.0/8,192.168.1.1 ,  ::1,");
    struct str rest = list, network;
    size_t count = 0;
    while (ip_list_next(&rest, &network)) {
        count++;
    }
    assert_int_equal(count, 3);
    assert_true(ip_list_has(list, STR("10.1.1.1")));
    assert_true(ip_list_has(list, STR("192.168.1.1")));
    assert_true(ip_list_has(list, STR("::1")));
    assert_false(ip_list_has(list, STR("192.168.1.2")));
    assert_false(ip_list_has(STR(""), STR("10.1.1.1")));
    assert_false(ip_list_has(list, STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_hold_their_addresses),
        cmocka_unit_test(addresses_and_networks_are_told_from_other_text),
        cmocka_unit_test(lists_are_searched_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
