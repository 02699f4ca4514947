# limit: 900
# A C++20 program of a few files by g++ and clang++, -O0 to -O3, with LTO, exceptions across libraries, threads, coroutines; cmake with ninja and make; autotools.
mkdir -p p/src p/tests; cd p
cat >src/lib.hpp <<'C'
#pragma once
#include <coroutine>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>
struct Error : std::runtime_error { int code; Error(int c, const std::string &s) : std::runtime_error(s), code(c) {} };
struct Node { virtual ~Node() = default; virtual double value(const std::map<std::string, double> &) const = 0; };
std::unique_ptr<Node> parse(const std::string &);
template <class T> struct Generator {
    struct promise_type { T v; Generator get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; } std::suspend_always initial_suspend() { return {}; } std::suspend_always final_suspend() noexcept { return {}; } std::suspend_always yield_value(T x) { v = x; return {}; } void return_void() {} void unhandled_exception() { throw; } };
    std::coroutine_handle<promise_type> h;
    ~Generator() { h.destroy(); }
    bool next() { h.resume(); return !h.done(); }
};
Generator<unsigned long> fibonacci(int n);
C
cat >src/lib.cpp <<'C'
#include "lib.hpp"
#include <cmath>
namespace {
struct Number : Node { double v; Number(double x) : v(x) {} double value(const std::map<std::string, double> &) const override { return v; } };
struct Name : Node { std::string n; Name(std::string s) : n(std::move(s)) {} double value(const std::map<std::string, double> &m) const override { auto i = m.find(n); if (i == m.end()) throw Error(3, "no " + n); return i->second; } };
struct Binary : Node { char op; std::unique_ptr<Node> a, b; Binary(char o, std::unique_ptr<Node> x, std::unique_ptr<Node> y) : op(o), a(std::move(x)), b(std::move(y)) {}
    double value(const std::map<std::string, double> &m) const override { double x = a->value(m), y = b->value(m); switch (op) { case '+': return x + y; case '-': return x - y; case '*': return x * y; case '/': if (y == 0) throw std::domain_error("division"); return x / y; default: return std::fmod(x, y); } } };
struct Parser { const std::string &s; size_t at = 0;
    char peek() { while (at < s.size() && s[at] == ' ') at++; return at < s.size() ? s[at] : 0; }
    std::unique_ptr<Node> atom() { char c = peek(); if (c == '(') { at++; auto n = sum(); if (peek() != ')') throw Error(1, "parenthesis"); at++; return n; } if (isdigit(c)) { size_t n; double v = std::stod(s.substr(at), &n); at += n; return std::make_unique<Number>(v); } std::string w; while (isalpha(peek())) w += s[at++]; if (w.empty()) throw Error(2, "atom"); return std::make_unique<Name>(w); }
    std::unique_ptr<Node> product() { auto a = atom(); for (char c; (c = peek()) == '*' || c == '/' || c == '%';) { at++; a = std::make_unique<Binary>(c, std::move(a), atom()); } return a; }
    std::unique_ptr<Node> sum() { auto a = product(); for (char c; (c = peek()) == '+' || c == '-';) { at++; a = std::make_unique<Binary>(c, std::move(a), product()); } return a; } };
}
std::unique_ptr<Node> parse(const std::string &s) { Parser p{s}; auto n = p.sum(); if (p.peek()) throw Error(4, "rest"); return n; }
Generator<unsigned long> fibonacci(int n) { unsigned long a = 0, b = 1; while (n--) { co_yield a; b += a; a = b - a; } }
C
cat >src/main.cpp <<'C'
#include "lib.hpp"
#include <algorithm>
#include <atomic>
#include <future>
#include <iomanip>
#include <iostream>
#include <numeric>
#include <random>
#include <regex>
#include <sstream>
#include <thread>
#include <unordered_map>
int main() {
    std::cout << std::setprecision(15);
    for (auto s : {"1+2*x", "(y-3)/(x-2)", "7.5 % 2 * z", "1+", "(1", "2 3"}) try { std::cout << parse(s)->value({{"x", 2}, {"y", 5}}) << '\n'; } catch (const Error &e) { std::cout << e.code << ' ' << e.what() << '\n'; } catch (const std::exception &e) { std::cout << e.what() << '\n'; }
    auto f = fibonacci(90); unsigned long last = 0; while (f.next()) last = f.h.promise().v; std::cout << last << '\n';
    std::mt19937_64 r(42); std::vector<double> v(100000); std::normal_distribution<> d; for (auto &x : v) x = r() % 1000003 / 7.0; std::sort(v.begin(), v.end()); std::cout << v[5] << ' ' << v[99990] << ' ' << std::accumulate(v.begin(), v.end(), 0.0) << '\n';
    std::atomic<long> n = 0; std::vector<std::jthread> ts; for (int i = 0; i < 4; i++) ts.emplace_back([&, i] { for (int j = 0; j < 5000; j++) n += i; }); ts.clear(); std::cout << n << '\n';
    auto t = std::async(std::launch::async, []() -> int { throw Error(9, "from a thread"); }); try { t.get(); } catch (const Error &e) { std::cout << e.what() << '\n'; }
    std::unordered_map<std::string, int> m; std::istringstream in("a b a c b a"); for (std::string w; in >> w;) m[w]++; std::cout << m["a"] << m["b"] << m["c"] << '\n';
    std::cout << std::regex_replace(std::string("abc123def"), std::regex("[0-9]+"), "<$&>") << ' ' << std::hash<std::string>{}("x") << '\n';
    std::variant<int, std::string> q = "s"; try { std::cout << std::get<int>(q); } catch (const std::bad_variant_access &) { std::cout << "variant\n"; }
    __int128 w = 1; for (int i = 2; i < 30; i++) w *= i; std::cout << (unsigned long)(w >> 64) << ' ' << (unsigned long)w << ' ' << 0.1L + 0.2L << '\n';
    thread_local static std::string tl = "tls"; std::cout << tl << std::endl; throw Error(1, "uncaught");
}
C
for cxx in g++ clang++; do for o in "-O0 -g" -O2 "-O3 -flto" "-Os -static" "-O2 -fPIE -pie -fstack-protector-all -D_FORTIFY_SOURCE=3 -D_GLIBCXX_ASSERTIONS"; do $cxx -std=c++20 $o -ffp-contract=off src/*.cpp -o a -pthread 2>log || { echo "$cxx $o fails"; tail -n 3 log; continue; }; ./a >out 2>/dev/null; echo "$cxx $o: $? $(sha256sum <out | cut -c1-16)"; done; done; cat out
printf 'cmake_minimum_required(VERSION 3.20)\nproject(p CXX C)\nset(CMAKE_CXX_STANDARD 20)\nfind_package(Threads REQUIRED)\nadd_library(l SHARED src/lib.cpp)\nadd_executable(a src/main.cpp)\ntarget_link_libraries(a l Threads::Threads)\ninclude(CheckFunctionExists)\ncheck_function_exists(memfd_create HAVE_MEMFD)\nmessage(STATUS "memfd ${HAVE_MEMFD} ${CMAKE_SIZEOF_VOID_P}")\nenable_testing()\nadd_test(NAME runs COMMAND a)\nset_tests_properties(runs PROPERTIES WILL_FAIL TRUE)\ninstall(TARGETS a l)\n' >CMakeLists.txt
for g in Ninja "Unix Makefiles"; do rm -rf b i; cmake -S . -B b -G "$g" -DCMAKE_BUILD_TYPE=Release 2>&1 | grep -E 'memfd'; cmake --build b -j4 >log 2>&1; echo "build $?"; (cd b && ctest 2>&1 | grep 'tests passed'); cmake --install b --prefix i 2>/dev/null | grep -c Installing; touch src/lib.hpp; cmake --build b 2>&1 | grep -c Building; done
cd ..; mkdir au; cd au; printf 'AC_INIT([h],[1.0])\nAM_INIT_AUTOMAKE([foreign])\nLT_INIT\nAC_PROG_CC\nAC_CHECK_HEADERS([sys/epoll.h windows.h])\nAC_CHECK_SIZEOF([long double])\nAC_C_BIGENDIAN\nAC_CONFIG_FILES([Makefile])\nAC_OUTPUT\n' >configure.ac
printf 'lib_LTLIBRARIES = libh.la\nlibh_la_SOURCES = h.c\nbin_PROGRAMS = h\nh_SOURCES = m.c\nh_LDADD = libh.la\nTESTS = h\n' >Makefile.am; echo 'int h(void) { return 0; }' >h.c; echo 'int h(void); int main(void) { return h(); }' >m.c
autoreconf -fi >log 2>&1; echo "autoreconf $?"; ./configure --prefix="$PWD/i" --quiet >/dev/null 2>log; echo "configure $?"; make -s -j4 >/dev/null 2>&1; echo "make $?"; make -s check 2>&1 | grep -E '^# (PASS|FAIL)'; make -s install >/dev/null 2>&1; ./i/bin/h; echo "installed $?"; make -s distcheck 2>&1 | grep -c 'archives ready'; :
