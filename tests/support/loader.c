/* A hostile dynamic loader: an image's /lib64/ld-linux-x86-64.so.2, which the kernel runs when anything makes it execute
 * a dynamic program of the host inside the container. It asks whether that program's file could be opened for writing,
 * and ends with the error's number: 0 means yes. Without a C library, which would look for itself in the wrong file.
 */
static long call(long number, const void *first, long second) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(first), "S"(second) : "rcx", "r11", "memory");
    return result;
}

void _start(void) {
    long result = call(21, "/proc/self/exe", 2); /* access(2), W_OK */
    call(231, (void *)-result, 0);               /* exit_group(2) */
    __builtin_unreachable();
}
