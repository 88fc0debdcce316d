/* A program that runs in a container and says what it may do there: one line for each thing it tried. Static, so that
 * it needs nothing of the image.
 *
 *   probe calls NAME:NUMBER...   make each system call with six arguments of -1; print NAME and errno's name or "done"
 *   probe sockets FAMILY...      open a socket of each family
 *   probe as UID PROGRAM...      become UID, then execute
 *   probe ids                    print the real and the effective user
 *   probe open PATH...           open each for reading, and then for writing
 *   probe fds                    print the open descriptors, but its own
 *   probe int80 NUMBER           make a 32-bit call
 *   probe connect NAME           connect to an abstract socket
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char *what, long result) {
    printf("%s %s\n", what, result < 0 ? strerrorname_np(errno) : "done");
    fflush(stdout);
}

static void call(char *word) {
    char *colon = strchr(word, ':');
    *colon = 0;
    if (fork() == 0) { /* a call that ends or stops its caller must not end the others */
        say(word, syscall(atol(colon + 1), -1L, -1L, -1L, -1L, -1L, -1L));
        _exit(0);
    }
    int status = 0;
    wait(&status);
    if (WIFSIGNALED(status)) printf("%s signal\n", word);
}

static int connect_abstract(const char *name) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path + 1, name, sizeof address.sun_path - 2);
    int door = socket(AF_UNIX, SOCK_STREAM, 0);
    say(name, connect(door, (void *)&address, offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name)));
    return 0;
}

static void list_descriptors(void) {
    DIR *folder = opendir("/proc/self/fd");
    for (struct dirent *entry; (entry = readdir(folder));)
        if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(folder)) puts(entry->d_name);
}

static long call_32_bit(long number) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(0L), "c"(0L), "d"(0L), "S"(0L), "D"(0L) : "memory",
                     "r8", "r9", "r10", "r11");
    return result;
}

int main(int count, char **words) {
    const char *what = count > 1 ? words[1] : "";
    char path[300];
    if (!strcmp(what, "calls")) for (int i = 2; i < count; i++) call(words[i]);
    else if (!strcmp(what, "sockets")) for (int i = 2; i < count; i++) say(words[i], socket(atoi(words[i]), SOCK_STREAM, 0));
    else if (!strcmp(what, "ids")) printf("%d %d\n", (int)getuid(), (int)geteuid());
    else if (!strcmp(what, "fds")) list_descriptors();
    else if (!strcmp(what, "connect")) return connect_abstract(words[2]);
    else if (!strcmp(what, "int80")) { errno = -call_32_bit(atol(words[2])); say(words[2], errno > 0 ? -1 : 0); }
    else if (!strcmp(what, "as")) { if (setuid(atoi(words[2]))) return 3; execv(words[3], words + 3); return 4; }
    else if (!strcmp(what, "open")) for (int i = 2; i < count; i++) {
        snprintf(path, sizeof path, "read %.200s", words[i]);
        say(path, open(words[i], O_RDONLY | O_NONBLOCK));
        snprintf(path, sizeof path, "write %.200s", words[i]);
        say(path, open(words[i], O_WRONLY | O_NONBLOCK));
    }
    else return 2;
    return 0;
}
