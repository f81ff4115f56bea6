// The upper half of a float, rounded to nearest even.
struct __nv_bfloat16 {
    unsigned short bits;
    __nv_bfloat16() = default;
    __nv_bfloat16(float value) {
        unsigned wide;
        __builtin_memcpy(&wide, &value, 4);
        bits = value != value ? 0x7fc0 : (wide + 0x7fff + (wide >> 16 & 1)) >> 16;
    }
    operator float() const {
        unsigned wide = unsigned(bits) << 16;
        float value;
        __builtin_memcpy(&value, &wide, 4);
        return value;
    }
};
