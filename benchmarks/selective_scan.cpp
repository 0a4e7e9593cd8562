// The selective scan and its gradient as a compiler makes them: the floor that benchmarks/scan.py measures against.
//
// Everything is float32 and contiguous: u, delta, y [batch pos channel]; A [channel state]; B, C [batch pos state];
// D [channel]. One row of strings and BLOCK channels at a time, so that the state stays in the nearest cache; the
// backward computes the states anew, CHUNK positions at a time, from those that the forward has kept.
//
//     g++ -O3 -march=native -ffast-math -shared -fPIC selective_scan.cpp -o selective_scan.so

#include <cmath>
#include <cstring>
#include <vector>

constexpr int BLOCK = 64, CHUNK = 16;

// A^T of one block of channels, [state][BLOCK].
static void load_rates(const float* A, float* a, int first, int width, int states) {
    for (int n = 0; n < states; n++)
        for (int c = 0; c < width; c++) a[n * BLOCK + c] = A[(first + c) * states + n];
}

extern "C" void forward(const float* u, const float* delta, const float* A, const float* B, const float* C,
                        const float* D, float* y, float* kept, int batches, int length, int channels, int states) {
    const int chunks = (length + CHUNK - 1) / CHUNK;
    std::vector<float> a(states * BLOCK), h(states * BLOCK);
    for (int b = 0; b < batches; b++)
        for (int first = 0; first < channels; first += BLOCK) {
            const int width = first + BLOCK < channels ? BLOCK : channels - first;
            load_rates(A, a.data(), first, width, states);
            std::fill(h.begin(), h.end(), 0.f);
            for (int t = 0; t < length; t++) {
                const size_t at = ((size_t)b * length + t) * channels + first;
                const float *ut = u + at, *dt = delta + at, *Bt = B + ((size_t)b * length + t) * states;
                const float* Ct = C + ((size_t)b * length + t) * states;
                if (t % CHUNK == 0)
                    for (int n = 0; n < states; n++)
                        std::memcpy(kept + (((size_t)b * chunks + t / CHUNK) * states + n) * channels + first,
                                    &h[n * BLOCK], width * sizeof(float));
                float du[BLOCK], out[BLOCK];
                for (int c = 0; c < width; c++) du[c] = dt[c] * ut[c], out[c] = D[first + c] * ut[c];
                for (int n = 0; n < states; n++) {
                    float *hn = &h[n * BLOCK], *an = &a[n * BLOCK];
                    const float bn = Bt[n], cn = Ct[n];
#pragma GCC ivdep
                    for (int c = 0; c < width; c++) {
                        hn[c] = std::exp(dt[c] * an[c]) * hn[c] + du[c] * bn;
                        out[c] += cn * hn[c];
                    }
                }
                std::memcpy(y + at, out, width * sizeof(float));
            }
        }
}

// Gradients are added to gA, gB, gC and gD, which begin at 0.
extern "C" void backward(const float* u, const float* delta, const float* A, const float* B, const float* C,
                         const float* D, const float* kept, const float* gy, float* gu, float* gdelta, float* gA,
                         float* gB, float* gC, float* gD, int batches, int length, int channels, int states) {
    const int chunks = (length + CHUNK - 1) / CHUNK, size = states * BLOCK;
    std::vector<float> a(size), ga(size), gh(size), h((CHUNK + 1) * size), decay(CHUNK * size);
    for (int first = 0; first < channels; first += BLOCK) {
        const int width = first + BLOCK < channels ? BLOCK : channels - first;
        load_rates(A, a.data(), first, width, states);
        std::fill(ga.begin(), ga.end(), 0.f);
        for (int b = 0; b < batches; b++) {
            std::fill(gh.begin(), gh.end(), 0.f);
            for (int chunk = chunks - 1; chunk >= 0; chunk--) {
                const int begin = chunk * CHUNK, end = begin + CHUNK < length ? begin + CHUNK : length;
                for (int n = 0; n < states; n++)
                    std::memcpy(&h[n * BLOCK], kept + (((size_t)b * chunks + chunk) * states + n) * channels + first,
                                width * sizeof(float));
                for (int t = begin; t < end; t++) {
                    const size_t row = (size_t)b * length + t;
                    const float *ut = u + row * channels + first, *dt = delta + row * channels + first;
                    for (int n = 0; n < states; n++) {
                        const float *from = &h[(t - begin) * size + n * BLOCK], *an = &a[n * BLOCK];
                        float *to = &h[(t - begin + 1) * size + n * BLOCK], *dn = &decay[(t - begin) * size + n * BLOCK];
                        const float bn = B[row * states + n];
#pragma GCC ivdep
                        for (int c = 0; c < width; c++) {
                            dn[c] = std::exp(dt[c] * an[c]);
                            to[c] = dn[c] * from[c] + dt[c] * ut[c] * bn;
                        }
                    }
                }
                for (int t = end - 1; t >= begin; t--) {
                    const size_t row = (size_t)b * length + t, at = row * channels + first;
                    const float *ut = u + at, *dt = delta + at, *gyt = gy + at;
                    float through[BLOCK] = {0}, rate[BLOCK] = {0};
                    for (int n = 0; n < states; n++) {
                        const float *hn = &h[(t - begin + 1) * size + n * BLOCK], *an = &a[n * BLOCK];
                        const float *from = &h[(t - begin) * size + n * BLOCK], *dn = &decay[(t - begin) * size + n * BLOCK];
                        float *g = &gh[n * BLOCK], *gan = &ga[n * BLOCK];
                        const float bn = B[row * states + n], cn = C[row * states + n];
                        float sum_b = 0, sum_c = 0;
#pragma GCC ivdep
                        for (int c = 0; c < width; c++) {
                            sum_c += gyt[c] * hn[c];
                            g[c] += gyt[c] * cn;
                            sum_b += g[c] * dt[c] * ut[c];
                            through[c] += g[c] * bn;
                            const float log_decay = g[c] * from[c] * dn[c];
                            rate[c] += log_decay * an[c];
                            gan[c] += log_decay * dt[c];
                            g[c] *= dn[c];
                        }
                        gB[row * states + n] += sum_b;
                        gC[row * states + n] += sum_c;
                    }
                    for (int c = 0; c < width; c++) {
                        gu[at + c] = through[c] * dt[c] + D[first + c] * gyt[c];
                        gdelta[at + c] = through[c] * ut[c] + rate[c];
                        gD[first + c] += gyt[c] * ut[c];
                    }
                }
            }
        }
        for (int n = 0; n < states; n++)
            for (int c = 0; c < width; c++) gA[(first + c) * states + n] += ga[n * BLOCK + c];
    }
}
