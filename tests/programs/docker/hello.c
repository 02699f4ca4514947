#include <stdio.h>
#include <sys/utsname.h>

int main(int argc, char **argv)
{
    struct utsname u;
    uname(&u);
    printf("hello from %s, %d arguments%s%s\n", u.machine, argc - 1, argc > 1 ? ": " : "", argc > 1 ? argv[1] : "");
    return 0;
}
