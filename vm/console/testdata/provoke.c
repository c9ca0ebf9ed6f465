// SPDX-License-Identifier: GPL-2.0
// A module that fails as it is told to through /proc/provoke: the logs here are what kernels said about it.
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/uaccess.h>
#include <linux/delay.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/mutex.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/refcount.h>
#include <linux/rcupdate.h>
#include <linux/completion.h>
#include <linux/interrupt.h>
#include <linux/hardirq.h>
#include <linux/vmalloc.h>
#include <linux/mm.h>
#include <linux/gfp.h>

static const char ro_bytes[64] = { 1, 2, 3 };
static volatile int zero, sink, one = 1;
static int *volatile nullp;
#define C(name) static noinline void provoke_##name(void)
C(null_write) { *nullp = 1; }
C(null_read) { sink = *nullp; }
C(bad_write) { *(volatile int *)((unsigned long)&zero ^ 0x200000000UL) = 1; }
C(noncanonical) { *(volatile int *)0x1234567812345678UL = 1; }
C(null_exec) { void (*volatile f)(void) = NULL; f(); sink = 2; }
C(readonly) { *(volatile char *)(unsigned long)&ro_bytes = 1; }

C(divide) { sink = 5 / zero; }
C(bug) { BUG_ON(one); }
C(warn) { WARN_ON(one); sink = 1; }
C(warn_msg) { WARN(one, "provoked %d with %px\n", 7, &zero); sink = 1; }
C(panic) { panic("provoked panic of %d at %px", 77, &zero); }
C(soft) { for (;;) cpu_relax(); }
C(soft_np) { preempt_disable(); for (;;) cpu_relax(); }
C(hard) { local_irq_disable(); for (;;) cpu_relax(); }
C(rcu) { rcu_read_lock(); for (;;) cpu_relax(); rcu_read_unlock(); }
static DECLARE_COMPLETION(never);
C(hung) { wait_for_completion(&never); }
static DEFINE_MUTEX(mu_a); static DEFINE_MUTEX(mu_b);
static DEFINE_SPINLOCK(sp_a); static DEFINE_SPINLOCK(sp_b);
C(hung_mutex) { mutex_lock(&mu_a); mutex_lock(&mu_a); sink = 1; }
C(atomic) { spin_lock(&sp_a); msleep(20); spin_unlock(&sp_a); }
C(invalid_ctx) { spin_lock(&sp_a); mutex_lock(&mu_a); mutex_unlock(&mu_a); spin_unlock(&sp_a); }
C(preempt_leak) { preempt_disable(); sink = 1; }
C(abba) { mutex_lock(&mu_a); mutex_lock(&mu_b); mutex_unlock(&mu_b); mutex_unlock(&mu_a);
	mutex_lock(&mu_b); mutex_lock(&mu_a); mutex_unlock(&mu_a); mutex_unlock(&mu_b); }
static void fn_irq(void *x) { spin_lock(&sp_b); sink = 1; spin_unlock(&sp_b); }
#include <linux/timer.h>
static void timer_fn(struct timer_list *t) { fn_irq(NULL); }
static DEFINE_TIMER(tm, timer_fn);
C(irq_inconsistent) { mod_timer(&tm, jiffies + 1); msleep(100); spin_lock(&sp_b); sink = 1; spin_unlock(&sp_b); }
static spinlock_t sp_c[2];
static void init_c(void) { int i; for (i = 0; i < 2; i++) spin_lock_init(&sp_c[i]); }
C(recursive) { init_c(); spin_lock(&sp_c[0]); spin_lock(&sp_c[1]); sink = 1; spin_unlock(&sp_c[1]); spin_unlock(&sp_c[0]); }
C(held_return) { mutex_lock(&mu_b); sink = 1; }
C(bad_unlock) { mutex_unlock(&mu_b); sink = 1; }
C(self_deadlock) { spin_lock(&sp_a); spin_lock(&sp_a); sink = 1; }
static int __rcu *rp;
C(rcu_usage) { sink = rcu_dereference(rp) != NULL; }
C(rcu_sleep) { rcu_read_lock(); msleep(10); rcu_read_unlock(); }
C(uaf) { volatile char *p = kmalloc(64, GFP_KERNEL); kfree((void *)p); p[3] = 1; sink = p[4]; }
C(oob) { volatile char *p = kmalloc(50, GFP_KERNEL); OPTIMIZER_HIDE_VAR(p); p[50 + zero] = 1; kfree((void *)p); }
C(stack_oob) { volatile char a[16]; int i = 16 + zero * 4; a[0] = 1; ((volatile char *)a)[i] = 1; sink = a[0]; }
C(double_free) { void *p = kmalloc(64, GFP_KERNEL); OPTIMIZER_HIDE_VAR(p); kfree(p); kfree(p); }
C(kasan_null) { sink = *(volatile char *)(0x10UL + zero); }
C(kfence) { int i; for (i = 0; i < 3000; i++) { volatile char *p = kmalloc(32, GFP_KERNEL); OPTIMIZER_HIDE_VAR(p); sink = p[32 + zero]; p[33 + zero] = 0x55; kfree((void *)p); if (i % 10 == 0) msleep(1); } }
static int arr[4];
C(ubsan_shift) { int s = 40 + zero; sink = one << s; }
C(ubsan_index) { int i = 7 + zero; sink = arr[i]; }
C(list) { static LIST_HEAD(h); struct list_head e, bad; INIT_LIST_HEAD(&bad); list_add(&e, &h); e.next->prev = &bad; list_del(&e); }
C(refcount) { refcount_t r = REFCOUNT_INIT(1); refcount_dec(&r); refcount_inc(&r); }
static int deep(int n) { volatile char a[512]; a[n & 511] = n; return deep(n + 1) + a[(n + 7) & 511]; }
C(overflow) { sink = deep(one); }
C(usercopy) { char *p = kmalloc(32, GFP_KERNEL); OPTIMIZER_HIDE_VAR(p); sink = copy_to_user((void __user *)(current->mm->start_stack - 4096), p, 64 + zero); kfree(p); }
C(oom_vmalloc) { sink = vmalloc(1UL << 40) != NULL; }
C(bad_page) { struct page *p = alloc_page(GFP_KERNEL); __free_page(p); get_page(p); __free_page(p); sink = 1; }
C(spin_magic) { spinlock_t s; memset((void *)&s, 0x33, sizeof s); ((raw_spinlock_t *)&s)->raw_lock = (arch_spinlock_t)__ARCH_SPIN_LOCK_UNLOCKED; spin_lock(&s); }
static long racy;
static int racer(void *x) { unsigned long end = jiffies + 5 * HZ; while (time_before(jiffies, end)) { racy++; cond_resched(); } return 0; }
C(kcsan) { int i; for (i = 0; i < 2; i++) kthread_run(racer, NULL, "racer%d", i); msleep(6000); }
static int oopser(void *x) { msleep(1); *nullp = 1; return 0; }
C(kthread) { kthread_run(oopser, NULL, "oopser"); msleep(300); }
static void irq_oops(struct timer_list *t) { *nullp = 1; }
static DEFINE_TIMER(tm2, irq_oops);
C(irq_oops) { mod_timer(&tm2, jiffies + 1); msleep(1000); }

#define E(n) { #n, provoke_##n }
static const struct { const char *n; void (*f)(void); } tab[] = {
	E(null_write), E(null_read), E(bad_write), E(noncanonical), E(null_exec), E(readonly), E(divide), E(bug), E(warn), E(warn_msg),
	E(panic), E(soft), E(soft_np), E(hard), E(rcu), E(hung), E(hung_mutex), E(atomic), E(invalid_ctx), E(preempt_leak), E(abba), E(irq_inconsistent),
	E(recursive), E(held_return), E(bad_unlock), E(self_deadlock), E(rcu_usage), E(rcu_sleep), E(uaf), E(oob), E(stack_oob), E(double_free),
	E(kasan_null), E(kfence), E(ubsan_shift), E(ubsan_index), E(list), E(refcount), E(overflow), E(usercopy), E(oom_vmalloc), E(bad_page),
	E(spin_magic), E(kcsan), E(kthread), E(irq_oops),
};
static ssize_t provoke_write(struct file *f, const char __user *u, size_t n, loff_t *o)
{
	char b[32] = {}; int i;
	if (n >= sizeof b || copy_from_user(b, u, n)) return -EINVAL;
	strim(b);
	for (i = 0; i < ARRAY_SIZE(tab); i++) if (!strcmp(tab[i].n, strim(b))) { tab[i].f(); return n; }
	return -ENOENT;
}
static const struct proc_ops ops = { .proc_write = provoke_write };
static int __init provoke_init(void) { proc_create("provoke", 0200, NULL, &ops); return 0; }
module_init(provoke_init);
MODULE_LICENSE("GPL");
