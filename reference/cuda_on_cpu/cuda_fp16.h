// A half, computed with as float.
struct __half {
    _Float16 value;
    __half() = default;
    __half(float number) : value(number) {}
    operator float() const { return value; }
};
