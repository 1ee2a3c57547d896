#include "postrider/app/app.h"
#include "postrider/cli/cli.h"

int main(int argc, char **argv)
{
    return cli_main(argc, argv, app_serve);
}
