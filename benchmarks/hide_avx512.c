/* Makes a processor with AVX-512 look like one with AVX2 alone to the libraries of a process.

       cc -O2 -shared -fPIC benchmarks/hide_avx512.c -o out/hide_avx512.so
       LD_PRELOAD=$PWD/out/hide_avx512.so python benchmarks/detect.py

   Linux can make the instruction CPUID fail in a process (arch_prctl(2), ARCH_CPUID; not every processor can). The
   handler of the fault runs it, takes AVX-512, VNNI and AMX out of what it says, and goes on behind it. The C library
   has looked at the processor before; GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-EVEX hides them from it too.

   Where CPUID cannot be made to fail, copies of the libraries serve that have UD2, which always fails, in its place:

       python benchmarks/cpuid_to_ud2.py out/ud2
       CPUID_IS_UD2=1 PYTHONPATH=out/ud2 LD_PRELOAD=$PWD/out/hide_avx512.so python benchmarks/detect.py */

#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define ARCH_SET_CPUID 0x1012
#define BIT(n) (1u << (n))

/* Leaf 7, subleaf 0, by register; Intel's manual, volume 2, CPUID. */
static const unsigned EBX_HIDDEN = BIT(16) | BIT(17) | BIT(21) | BIT(26) | BIT(27) | BIT(28) | BIT(30) | BIT(31);
static const unsigned ECX_HIDDEN = BIT(1) | BIT(6) | BIT(8) | BIT(9) | BIT(10) | BIT(11) | BIT(12) | BIT(14);
static const unsigned EDX_HIDDEN = BIT(2) | BIT(3) | BIT(8) | BIT(22) | BIT(23) | BIT(24) | BIT(25);
/* Subleaf 1: AVX-VNNI, bfloat16, products of halves, IFMA. */
static const unsigned EAX_HIDDEN = BIT(4) | BIT(5) | BIT(21) | BIT(23);

static long let_cpuid_run(int yes) { return syscall(SYS_arch_prctl, ARCH_SET_CPUID, yes); }

static void on_fault(int number, siginfo_t *info, void *context)
{
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    const unsigned char *at = (const unsigned char *)r[REG_RIP];
    unsigned a, b, c, d, leaf = r[REG_RAX], subleaf = r[REG_RCX];
    int can_fault = number == SIGSEGV && info->si_code == SI_KERNEL; /* then `at` may be read */

    if (at == NULL || !(can_fault || number == SIGILL) || at[0] != 0x0f || at[1] != (number == SIGILL ? 0x0b : 0xa2)) {
        signal(number, SIG_DFL); /* a fault of the program's own */
        return;
    }
    if (number == SIGSEGV)
        let_cpuid_run(1);
    __asm__ volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(leaf), "c"(subleaf));
    if (number == SIGSEGV)
        let_cpuid_run(0);
    if (leaf == 7 && subleaf == 0) {
        b &= ~EBX_HIDDEN;
        c &= ~ECX_HIDDEN;
        d &= ~EDX_HIDDEN;
    } else if (leaf == 7 && subleaf == 1) {
        a &= ~EAX_HIDDEN;
        b = c = d = 0;
    }
    r[REG_RAX] = a;
    r[REG_RBX] = b;
    r[REG_RCX] = c;
    r[REG_RDX] = d;
    r[REG_RIP] += 2;
}

__attribute__((constructor)) static void begin(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};

    if (getenv("CPUID_IS_UD2") != NULL) {
        sigaction(SIGILL, &action, NULL);
        return;
    }
    sigaction(SIGSEGV, &action, NULL);
    if (let_cpuid_run(0) != 0) {
        fputs("hide_avx512: this processor or kernel cannot make CPUID fail; see CPUID_IS_UD2 in the source\n", stderr);
        _exit(2);
    }
}
