# limit: 1500
# A workspace with a library, a procedural macro, a program and tests: threads, generics, panics, async by hand, 128-bit numbers; debug and release, LTO.
export CARGO_HOME=$PWD/home; mkdir -p w/lib/src w/derive/src w/app/src w/lib/tests; cd w
printf '[workspace]\nmembers = ["lib", "derive", "app"]\nresolver = "2"\n[profile.release]\nlto = true\npanic = "unwind"\ncodegen-units = 2\n' >Cargo.toml
printf '[package]\nname = "lib"\nversion = "0.1.0"\nedition = "2021"\n[dependencies]\nderive = { path = "../derive" }\n' >lib/Cargo.toml
printf '[package]\nname = "derive"\nversion = "0.1.0"\nedition = "2021"\n[lib]\nproc-macro = true\n' >derive/Cargo.toml
printf '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\nbuild = "build.rs"\n[dependencies]\nlib = { path = "../lib" }\n' >app/Cargo.toml
cat >derive/src/lib.rs <<'R'
use proc_macro::{TokenStream, TokenTree};

/// Names of the fields.
#[proc_macro_derive(Fields)]
pub fn fields(input: TokenStream) -> TokenStream {
    let trees: Vec<_> = input.into_iter().collect();
    let name = trees.iter().skip_while(|t| t.to_string() != "struct").nth(1).unwrap().to_string();
    let Some(TokenTree::Group(body)) = trees.last() else { panic!("no body") };
    let body: Vec<_> = body.stream().into_iter().collect();
    let names: Vec<_> = body.windows(2).filter(|w| w[1].to_string() == ":").map(|w| format!("{:?}", w[0].to_string())).collect();
    format!("impl {name} {{ pub const FIELDS: &'static [&'static str] = &[{}]; }}", names.join(",")).parse().unwrap()
}
R
cat >lib/src/lib.rs <<'R'
use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::sync::{atomic::*, mpsc, Arc, Barrier, Condvar, Mutex, RwLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

#[derive(derive::Fields, Debug, Clone, Default)]
pub struct Point {
    pub x: f64,
    pub y: f64,
}

pub trait Shape: Send + Sync {
    fn area(&self) -> f64;
}
impl<F: Fn() -> f64 + Send + Sync> Shape for F {
    fn area(&self) -> f64 {
        self()
    }
}

pub fn fold<T: Copy + std::ops::Add<Output = T> + Default, const N: usize>(v: [T; N]) -> T {
    v.into_iter().fold(T::default(), |a, b| a + b)
}

/// Sums over threads in five ways; all the same.
pub fn sums(threads: u64, n: u64) -> [u64; 5] {
    let (atomic, mutex, lock) = (AtomicU64::new(0), Mutex::new(0), RwLock::new(0));
    let wide = AtomicUsize::new(0);
    let (tx, rx) = mpsc::channel();
    let barrier = Barrier::new(threads as usize);
    thread::scope(|s| {
        for t in 0..threads {
            let (tx, atomic, mutex, lock, barrier, wide) = (tx.clone(), &atomic, &mutex, &lock, &barrier, &wide);
            s.spawn(move || {
                barrier.wait();
                for i in 0..n {
                    let v = t * n + i;
                    atomic.fetch_add(v, Ordering::Relaxed);
                    *mutex.lock().unwrap() += v;
                    if i % 8 == 0 {
                        let _ = *lock.read().unwrap();
                    }
                    *lock.write().unwrap() += v;
                    tx.send(v).unwrap();
                    let mut old = wide.load(Ordering::Acquire);
                    while let Err(seen) = wide.compare_exchange_weak(old, old + v as usize, Ordering::AcqRel, Ordering::Acquire) {
                        old = seen;
                    }
                }
            });
        }
    });
    drop(tx);
    [atomic.into_inner(), mutex.into_inner().unwrap(), lock.into_inner().unwrap(), rx.iter().sum(), wide.into_inner() as u64]
}

struct Parker(Mutex<bool>, Condvar);
impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        *self.0.lock().unwrap() = true;
        self.1.notify_one();
    }
}
pub struct Later(pub u32);
impl Future for Later {
    type Output = &'static str;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.0 == 0 {
            return Poll::Ready("ready");
        }
        self.0 -= 1;
        let waker = cx.waker().clone();
        thread::spawn(move || waker.wake());
        Poll::Pending
    }
}
pub fn block_on<F: Future>(f: F) -> F::Output {
    let parker = Arc::new(Parker(Mutex::new(false), Condvar::new()));
    let waker = Waker::from(parker.clone());
    let mut f = Box::pin(f);
    loop {
        if let Poll::Ready(v) = f.as_mut().poll(&mut Context::from_waker(&waker)) {
            return v;
        }
        let mut woken = parker.0.lock().unwrap();
        while !std::mem::take(&mut *woken) {
            woken = parker.1.wait(woken).unwrap();
        }
    }
}

pub fn words(text: &str) -> BTreeMap<usize, Vec<String>> {
    let mut count: HashMap<&str, usize> = HashMap::new();
    text.split_whitespace().for_each(|w| *count.entry(w).or_default() += 1);
    let mut by = BTreeMap::<usize, Vec<String>>::new();
    for (w, n) in count {
        by.entry(n).or_default().push(w.into());
    }
    by.values_mut().for_each(|v| v.sort());
    by
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn fields() {
        assert_eq!(Point::FIELDS, ["x", "y"]);
    }
    #[test]
    fn threads() {
        assert!(sums(8, 500).iter().all(|&s| s == 4000 * 3999 / 2));
    }
    #[test]
    #[should_panic(expected = "index out of bounds")]
    fn bounds() {
        let v = vec![1];
        let i = v.len();
        let _ = v[i];
    }
    #[test]
    fn futures() {
        assert_eq!(block_on(async { (Later(5).await, Later(0).await).0 }), "ready");
    }
    #[test]
    #[ignore]
    fn ignored() {}
}
R
cat >lib/tests/outside.rs <<'R'
#[test]
fn words() {
    assert_eq!(lib::words("a b a")[&2], ["a"]);
}
R
cat >app/build.rs <<'R'
fn main() {
    println!("cargo:rustc-env=MADE_BY=build.rs on {}", std::env::var("CARGO_CFG_TARGET_OS").unwrap());
}
R
cat >app/src/main.rs <<'R'
use lib::*;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::panic;
use std::process::{Command, Stdio};

fn main() {
    println!("{}", env!("MADE_BY"));
    println!("{:?} {:?}", Point::FIELDS, Point::default());
    println!("{} {}", fold([1u128 << 100, 3, u64::MAX as u128]), fold([0.1f32, 0.2, 0.3]));
    let shapes: Vec<Box<dyn Shape>> = vec![Box::new(|| 2.5), Box::new(|| 1e-9)];
    println!("{:?}", shapes.iter().map(|s| s.area()).sum::<f64>());
    println!("{:?}", sums(4, 1000));
    println!("{}", block_on(Later(20)));
    println!("{:?}", words("the cat and the dog and the end").into_iter().next_back());
    panic::set_hook(Box::new(|i| println!("hook: {}", i.location().unwrap().file())));
    println!("{:?}", panic::catch_unwind(|| i32::MAX.checked_add(1).unwrap()).is_err());
    let deep = std::thread::Builder::new().stack_size(64 << 20).spawn(|| {
        fn f(n: u64) -> u64 {
            if n == 0 { 0 } else { 1 + std::hint::black_box(f(n - 1)) }
        }
        f(200_000)
    });
    println!("{}", deep.unwrap().join().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        for s in listener.incoming().take(20) {
            let mut s = s.unwrap();
            let mut b = [0; 4];
            s.read_exact(&mut b).unwrap();
            b.reverse();
            s.write_all(&b).unwrap();
        }
    });
    let mut all = String::new();
    for i in 0..20 {
        let mut s = TcpStream::connect(at).unwrap();
        write!(s, "{i:04}").unwrap();
        s.read_to_string(&mut all).unwrap();
    }
    server.join().unwrap();
    println!("{all}");
    let mut child = Command::new("rev").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().or_else(|_| Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()).unwrap();
    child.stdin.take().unwrap().write_all(b"level").unwrap();
    println!("{}", String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap());
    println!("{:x} {:?} {}", u128::MAX / 0x1234_5678_9abc_def0_1234, (-7i128).div_euclid(3), f64::MAX as u128 as f64);
    std::process::exit(if std::env::args().len() > 1 { panic!("asked to") } else { 7 });
}
R
cargo build --offline -q 2>&1; echo "build $?"; ./target/debug/app; echo "debug $?"
./target/debug/app x >/dev/null 2>&1; echo "panic $?"
cargo test --offline 2>&1 | sed 's|; finished in.*||' | grep -E '^test ' | sort
cargo build --offline -q --release 2>&1; ./target/release/app; echo "release $?"
touch lib/src/lib.rs; cargo build --offline -v 2>&1 | grep -oE '^ *(Dirty|Fresh|Compiling) [a-z]+' | sort
echo 'fn main() { let v: Vec<i32> = vec!["x"]; }' >bad.rs; rustc bad.rs 2>&1 | grep -E '^error'
echo 'fn main() { println!("{}", std::mem::size_of::<usize>()); }' >s.rs; rustc -C target-feature=+crt-static -O s.rs && ./s; rustc --test --crate-name t - <s.rs -o t && ./t | grep -c 'test result: ok'
