/* A program of `warm`: lets the server run what it was called for. In C, it starts in a tenth of Python's time.

   client ADDRESS NAME ARGUMENT... */

#define _GNU_SOURCE
#include <dirent.h>
#include <endian.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_STREAMS 64

extern char **environ;

/* The three standard streams, and what else this was started with. */
static int find_streams(int *streams)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        int number = atoi(entry->d_name);
        int flags = entry->d_name[0] == '.' ? -1 : fcntl(number, F_GETFD);
        if (flags >= 0 && !(flags & FD_CLOEXEC) && count < MAX_STREAMS)
            streams[count++] = number;
    }
    if (folder)
        closedir(folder);
    return count;
}

/* The request: its length, and fields that end with a NUL. */
static char *write_request(int argc, char **argv, int *streams, int num_streams, size_t *size)
{
    char *text;
    FILE *out = open_memstream(&text, size);
    uint64_t length = 0;
    fwrite(&length, sizeof length, 1, out);
    fprintf(out, "%d%c%s%c%d%c", (int)umask(0), 0, getcwd(NULL, 0), 0, num_streams, 0);
    for (int i = 0; i < num_streams; i++)
        fprintf(out, "%d%c", streams[i], 0);
    fprintf(out, "%d%c", argc - 2, 0);
    for (int i = 2; i < argc; i++)
        fprintf(out, "%s%c", argv[i], 0);
    for (char **variable = environ; *variable; variable++)
        fprintf(out, "%s%c", *variable, 0);
    fclose(out);
    length = htobe64(*size - sizeof length);
    memcpy(text, &length, sizeof length);
    return text;
}

int main(int argc, char **argv)
{
    int streams[MAX_STREAMS], num_streams = find_streams(streams);
    size_t size;
    char *text = write_request(argc, argv, streams, num_streams, &size);

    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, argv[1], sizeof address.sun_path - 1);
    int connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(connection, (struct sockaddr *)&address, sizeof address)) {
        perror(argv[1]);
        return 1;
    }
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof streams)] = {0};
    size_t num_bytes = num_streams * sizeof *streams;
    struct iovec part = {text, size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (num_streams) {
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(num_bytes);
        struct cmsghdr *passed = CMSG_FIRSTHDR(&message);
        *passed = (struct cmsghdr){CMSG_LEN(num_bytes), SOL_SOCKET, SCM_RIGHTS};
        memcpy(CMSG_DATA(passed), streams, num_bytes);
    }
    ssize_t sent = sendmsg(connection, &message, 0);
    while (sent >= 0 && (text += sent, size -= sent))
        sent = send(connection, text, size, 0);

    char answer[16] = "1";
    recv(connection, answer, sizeof answer - 1, 0);
    int code = atoi(answer);
    if (code < 0) {
        signal(-code, SIG_DFL);
        kill(getpid(), -code);
    }
    return code;
}
