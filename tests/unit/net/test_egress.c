#include "postrider/net/net.h"

#include "net_priv.h"

#include "postrider/base/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/un.h>

/* The mildest policy that refuses the address; EGRESS_OFF: none does. */
static const struct {
    const char *address;
    enum egress_policy refused_from;
} rows[] = {
    {"8.8.8.8", EGRESS_OFF},
    {"1.1.1.1", EGRESS_OFF},
    {"172.15.255.255", EGRESS_OFF},
    {"172.32.0.0", EGRESS_OFF},
    {"169.253.255.255", EGRESS_OFF},
    {"100.63.255.255", EGRESS_OFF},
    {"100.128.0.0", EGRESS_OFF},
    {"223.255.255.255", EGRESS_OFF},
    {"0.0.0.0", EGRESS_LINK_LOCAL},
    {"0.255.1.2", EGRESS_LINK_LOCAL},
    {"169.254.0.1", EGRESS_LINK_LOCAL},
    {"169.254.169.254", EGRESS_LINK_LOCAL},
    {"100.100.100.200", EGRESS_LINK_LOCAL},
    {"168.63.129.16", EGRESS_LINK_LOCAL},
    {"168.63.129.17", EGRESS_OFF},
    {"224.0.0.1", EGRESS_LINK_LOCAL},
    {"255.255.255.255", EGRESS_LINK_LOCAL},
    {"127.0.0.1", EGRESS_PRIVATE},
    {"127.255.255.255", EGRESS_PRIVATE},
    {"10.0.0.1", EGRESS_PRIVATE},
    {"172.16.0.1", EGRESS_PRIVATE},
    {"172.31.255.255", EGRESS_PRIVATE},
    {"192.168.1.1", EGRESS_PRIVATE},
    {"100.64.0.1", EGRESS_PRIVATE},
    {"198.19.255.255", EGRESS_PRIVATE},
    {"2606:4700::1111", EGRESS_OFF},
    {"2001:4860:4860::8888", EGRESS_OFF},
    {"::", EGRESS_LINK_LOCAL},
    {"::1", EGRESS_PRIVATE},
    {"fe80::1", EGRESS_LINK_LOCAL},
    {"febf::1", EGRESS_LINK_LOCAL},
    {"fec0::1", EGRESS_PRIVATE},
    {"ff02::1", EGRESS_LINK_LOCAL},
    {"fd00:ec2::254", EGRESS_LINK_LOCAL},
    {"fd20:ce::254", EGRESS_LINK_LOCAL},
    {"fd00::1", EGRESS_PRIVATE},
    {"fc00::1", EGRESS_PRIVATE},
    {"2001:db8::1", EGRESS_PRIVATE},
    /* carriers of IPv4 */
    {"::ffff:8.8.8.8", EGRESS_OFF},
    {"::ffff:169.254.169.254", EGRESS_LINK_LOCAL},
    {"::ffff:127.0.0.1", EGRESS_PRIVATE},
    {"::ffff:0:169.254.169.254", EGRESS_LINK_LOCAL},
    {"::169.254.169.254", EGRESS_LINK_LOCAL},
    {"::10.0.0.1", EGRESS_PRIVATE},
    {"64:ff9b::8.8.8.8", EGRESS_OFF},
    {"64:ff9b::169.254.169.254", EGRESS_LINK_LOCAL},
    {"64:ff9b::10.0.0.1", EGRESS_PRIVATE},
    {"64:ff9b:1::8.8.8.8", EGRESS_PRIVATE},
    {"64:ff9b:1::169.254.169.254", EGRESS_LINK_LOCAL},
    {"2002:808:808::1", EGRESS_OFF},
    {"2002:a9fe:a9fe::1", EGRESS_LINK_LOCAL},
    {"2002:7f00:1::1", EGRESS_PRIVATE},
    {"2001:0:4136:e378:8000:63bf:f7f7:f7f7", EGRESS_OFF}, /* Teredo of 8.8.8.8 */
    {"2001:0:4136:e378:8000:63bf:5601:5601", EGRESS_LINK_LOCAL},
};

static void each_policy_refuses_its_ranges(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        union net_address a;
        assert_true(net_address_parse(rows[i].address, &a));
        for (int p = EGRESS_OFF; p <= EGRESS_PRIVATE; p++) {
            bool refused =
                rows[i].refused_from != EGRESS_OFF && p >= (int)rows[i].refused_from;
            if (egress_allows((enum egress_policy)p, &a.any) == refused) {
                fail_msg("%s under policy %d", rows[i].address, p);
            }
        }
    }
}

static void other_families_are_refused(void **state)
{
    (void)state;
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    assert_false(egress_allows(EGRESS_LINK_LOCAL, (struct sockaddr *)&a));
    assert_true(egress_allows(EGRESS_OFF, (struct sockaddr *)&a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_policy_refuses_its_ranges),
        cmocka_unit_test(other_families_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
