// CUDA's words for g++: a thread of a block is a thread of the system, __syncthreads is a barrier, __shared__ is static.
// Blocks run one after another. Not here: warp shuffles, tensor cores, streams, more than one dimension.
#include <math.h>
#include <pthread.h>

#include <atomic>
#include <string>
#include <typeinfo>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __shared__ static
#define __launch_bounds__(threads)

struct dim3 { unsigned x = 1, y = 1, z = 1; };
static dim3 gridDim, blockDim;
static thread_local dim3 blockIdx, threadIdx;

// Two barriers in turn: a thread that is late to wake at one must not look as if it had seen what others did before the next,
// or ThreadSanitizer misses races.
static pthread_barrier_t everybody[2];
static thread_local int turn;
using std::max, std::min;
static void __syncthreads() { pthread_barrier_wait(&everybody[turn ^= 1]); }

template <class T> static T atomicAdd(T* place, T value) { return std::atomic_ref<T>(*place).fetch_add(value); }
template <class T> static T rsqrt(T x) { return 1 / sqrt(x); }
static float __fmul_rn(float a, float b) { return a * b; }  // (no -march: g++ joins nothing to one instruction)
static double __dmul_rn(double a, double b) { return a * b; }
// What a GPU computes quickly and less exactly.
#define __logf logf
#define __tanf tanf
#define __sincosf sincosf
static void sincospi(double x, double* sine, double* cosine) { *sine = sin(M_PI * x), *cosine = cos(M_PI * x); }

// Run a kernel, whose arguments are given by address as cuLaunchKernel wants them.
struct Launch {
    void (*run)(void*, void**);
    void *kernel, **args;
    unsigned thread;
};
static void* one_thread(void* given) {
    Launch& launch = *static_cast<Launch*>(given);
    threadIdx.x = launch.thread;
    for (blockIdx.x = 0; blockIdx.x < gridDim.x; blockIdx.x++) {
        launch.run(launch.kernel, launch.args);
        __syncthreads();  // the next block uses the same __shared__ memory
    }
    return nullptr;
}
template <class... A> void launch(void (*kernel)(A...), unsigned blocks, unsigned threads, void** args) {
    auto run = [](void* kernel, void** args) {
        [&]<size_t... I>(std::index_sequence<I...>) {
            reinterpret_cast<void (*)(A...)>(kernel)(*static_cast<A*>(args[I])...);
        }(std::index_sequence_for<A...>());
    };
    gridDim.x = blocks, blockDim.x = threads;
    for (pthread_barrier_t& barrier : everybody) pthread_barrier_init(&barrier, nullptr, threads);
    std::vector<Launch> launches(threads);
    std::vector<pthread_t> started(threads);
    for (unsigned t = 0; t < threads; t++) {
        launches[t] = {run, reinterpret_cast<void*>(kernel), args, t};
        if (pthread_create(&started[t], nullptr, one_thread, &launches[t])) abort();
    }
    for (pthread_t thread : started) pthread_join(thread, nullptr);
    for (pthread_barrier_t& barrier : everybody) pthread_barrier_destroy(&barrier);
}

// The types of a kernel's parameters as g++ spells them: "PKf Pf x".
template <class... A> std::string parameters(void (*)(A...)) {
    std::string all;
    ((all += std::string(typeid(A).name()) + " "), ...);
    return all;
}
