/* What Glibc's Swift module leaves out: readiness, event counters, process descriptors, file locks. */
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/statvfs.h>
