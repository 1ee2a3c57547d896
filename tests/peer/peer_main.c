/* peer_run SCRIPT [CHOP]: runs one script; CHOP bytes a send, 0 = whole lines. */
#include "peer.h"

#include "postrider/base/num.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    static struct peer_script script;
    uint32_t chop = 0;
    if (argc < 2 || (argc > 2 && !num_u32(str_of(argv[2]), &chop))) {
        (void)fprintf(stderr, "usage: peer_run SCRIPT [CHOP]\n");
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    (void)alarm(2 * PEER_WAIT_MS / 1000);
    peer_script_load(&script, argv[1]);
    struct peer_server *server = peer_server_start(&script, chop);
    bool ok =
        peer_client_run(&script, peer_server_port(server), peer_server_ca_file(server));
    ok = peer_server_stop(&server) && ok;
    peer_script_free(&script);
    return ok ? 0 : 1;
}
