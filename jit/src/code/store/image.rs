//! All translations of one page of guest code as one piece, linked within itself: who gets it has little more to do than to copy it.
//!
//! Whoever has adopted many records of a page one by one makes its image, which then stands for all of them; records that came later are adopted beside
//! it, until they are enough for a new one. Whether it holds is seen by the cache lines on which any of them depends, so blocks that reach into another page are not
//! in it.
//!
//! **Layout.** [`Head`]; [`Piece`]s, ascending by host offset; [`Joint`]s, those of a piece in a row; relocations of the whole; the numbers of the records that
//! are not in it; code. Numbers of pieces and joints count from the image's first.

use super::{reloc, Two, DIRECT, PAGE, SIZE};
use crate::code::pages::lines_from_to;
use crate::host::{self, Reloc};
use std::mem::size_of;

/// No piece, no joint.
pub const NONE: u32 = u32::MAX;

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct Head {
    /// The page's sum when its records were made.
    pub page: [u64; 2],
    /// The sum of the lines.
    pub sum: [u64; 2],
    /// Address of the page for which relocations are right.
    pub base: u64,
    /// The cache lines on which any piece depends.
    pub lines: u64,
    pub mode: u32,
    pub pieces: u32,
    pub joints: u32,
    pub relocs: u32,
    pub others: u32,
    pub code: u32,
    /// Guest instructions.
    pub insns: u32,
    /// The last record that it stands for.
    pub upto: u32,
}

/// A block.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Piece {
    /// Offset of its code.
    pub host: u32,
    /// The record that it was made of, which has its points.
    pub record: u32,
    /// The first of its links.
    pub joints: u32,
    /// Head of the list of joints that lead here, or NONE.
    pub incoming: u32,
    /// Offsets in the page: of its first instruction and of the guest code that it depends on.
    pub pc: u16,
    pub start: u16,
    pub end: u16,
    /// See [`crate::ir::Block::flags_dead`].
    pub flags_dead: u16,
}

/// A link.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Joint {
    at: u32,
    /// Offset of the stub.
    pub stub: u32,
    /// Offset of the site word.
    pub site: u32,
    /// Where it leads, from the page's beginning.
    pub target: i32,
    /// The piece to which it leads, or NONE.
    pub linked: u32,
    /// The next joint that leads there, or NONE.
    pub next: u32,
}

const _: () = assert!(size_of::<Head>() % 16 == 0 && size_of::<Piece>() == 24 && size_of::<Joint>() == 24);

impl Joint {
    /// Offset of the displacement.
    pub fn at(&self) -> u32 {
        self.at & !DIRECT
    }
    /// See [`host::Link::direct`].
    pub fn direct(&self) -> bool {
        self.at & DIRECT != 0
    }
}

/// An image in the store.
pub struct Image<'a> {
    /// The store in which it is: see [`super::points`].
    pub store: *const u8,
    pub pieces: &'a [Piece],
    pub joints: &'a [Joint],
    pub relocs: &'a [Two],
    pub code: &'a [u8],
    /// The cache lines of the page on which any piece depends.
    pub lines: u64,
    /// Guest instructions.
    pub insns: u32,
    /// Records of the page that it does not stand for.
    pub others: &'a [u32],
    /// The last record that it does stand for.
    pub upto: u32,
    /// How far from where it was made its guest code lies here.
    pub by: u64,
}

impl Head {
    fn bytes(&self) -> usize {
        let words = self.others as usize * size_of::<u32>() + self.code as usize;
        size_of::<Head>()
            + self.pieces as usize * size_of::<Piece>()
            + self.joints as usize * size_of::<Joint>()
            + self.relocs as usize * size_of::<Two>()
            + words
    }

    /// The image with this head, which is at `at` of the file that is mapped at `map`, for the page at `base`.
    ///
    /// # Safety
    /// It is mapped that long, and nobody changes it.
    pub unsafe fn image<'a>(&self, map: *const u8, at: usize, base: u64) -> Option<Image<'a>> {
        if at + self.bytes() > SIZE {
            return None;
        }
        // SAFETY: within the file (as just seen), of words and bytes that may have any value, aligned (images and their heads are multiples of 16 bytes).
        unsafe {
            let pieces = map.add(at + size_of::<Head>()).cast::<Piece>();
            let joints = pieces.add(self.pieces as usize).cast::<Joint>();
            let relocs = joints.add(self.joints as usize).cast::<Two>();
            let others = relocs.add(self.relocs as usize).cast::<u32>();
            Some(Image {
                store: map,
                pieces: std::slice::from_raw_parts(pieces, self.pieces as usize),
                joints: std::slice::from_raw_parts(joints, self.joints as usize),
                relocs: std::slice::from_raw_parts(relocs, self.relocs as usize),
                others: std::slice::from_raw_parts(others, self.others as usize),
                code: std::slice::from_raw_parts(others.add(self.others as usize).cast(), self.code as usize),
                lines: self.lines,
                insns: self.insns,
                upto: self.upto,
                by: base.wrapping_sub(self.base),
            })
        }
    }
}

/// Makes an image.
#[derive(Default)]
pub(super) struct Maker {
    head: Head,
    pieces: Vec<Piece>,
    joints: Vec<Joint>,
    relocs: Vec<Two>,
    others: Vec<u32>,
    code: Vec<u8>,
}

impl Maker {
    /// For the page at `base`, with this sum.
    pub fn new(base: u64, page: [u64; 2], mode: u32, upto: u32) -> Maker {
        Maker { head: Head { page, base, mode, upto, ..Head::default() }, ..Maker::default() }
    }

    /// Add record number `n`.
    pub fn add(&mut self, n: u32, made: &super::Made, from: &super::Stored<'_>) {
        let twice = self.pieces.iter().any(|p| self.head.base + u64::from(p.pc) == made.pc);
        if !twice && self.try_add(n, made, from).is_none() {
            self.add_other(n);
        }
    }

    /// Say that record number `n` is not part of it.
    pub fn add_other(&mut self, n: u32) {
        self.others.push(n);
    }

    fn try_add(&mut self, n: u32, made: &super::Made, from: &super::Stored<'_>) -> Option<()> {
        let base = self.head.base;
        let end = made.end.checked_sub(base).filter(|&e| e <= PAGE as u64 && e > 0)?;
        let start = made.start.checked_sub(base).filter(|&s| s < end)?;
        let pc = made.pc.checked_sub(base).filter(|&p| p < PAGE as u64 && p & 3 == 0)?;
        let host = self.code.len().next_multiple_of(16);
        // Of what can't be moved nothing stays but the gap.
        self.code.resize(host, 0);
        self.code.extend_from_slice(from.code);
        let code = &mut self.code[host..];
        let mut places = from.relocs.iter().filter_map(|&r| match reloc(r) {
            Reloc::Place { at, wide } => Some((at, wide)),
            _ => None,
        });
        if !places.all(|(at, wide)| Reloc::move_place(code, at, wide, from.by)) {
            self.code.truncate(host);
            return None;
        }
        let (host, joints) = (host as u32, self.joints.len() as u32);
        for &[at, stub, site, target] in from.links {
            let target = i64::from(target as i32) + pc as i64;
            let (stub, site, target) = (stub + host, site + host, target as i32);
            self.joints.push(Joint { at: at + host, stub, site, target, linked: NONE, next: NONE });
        }
        self.relocs.extend(from.relocs.iter().map(|&[at, what]| [at + host, what]));
        self.head.lines |= lines(start, end);
        self.head.insns += made.insns;
        let flags_dead = made.flags_dead.into();
        let (pc, start, end) = (pc as u16, start as u16, end as u16);
        self.pieces.push(Piece { host, record: n, joints, incoming: NONE, pc, start, end, flags_dead });
        Some(())
    }

    /// The cache lines on which it depends.
    pub fn lines(&self) -> u64 {
        self.head.lines
    }

    /// Let the links lead to where they lead within the page; the image's bytes. `sum` is that of the lines.
    pub fn finish(mut self, sum: [u64; 2]) -> Vec<u8> {
        let mut at = [NONE; PAGE / 4];
        self.pieces.iter().zip(0..).for_each(|(p, n)| at[usize::from(p.pc) / 4] = n);
        for (n, joint) in (0..).zip(&mut self.joints) {
            let target = usize::try_from(joint.target).ok().filter(|t| t % 4 == 0).and_then(|t| at.get(t / 4));
            let Some((to, piece)) = target.and_then(|&to| Some((to, self.pieces.get_mut(to as usize)?))) else { continue };
            joint.linked = to;
            joint.next = std::mem::replace(&mut piece.incoming, n);
            // A direct link that may not lead there goes to its stub, as it does already.
            if piece.flags_dead != 0 || !joint.direct() {
                if let Some(word) = self.code.get_mut(joint.at() as usize..).and_then(|c| c.first_chunk_mut()) {
                    *word = host::branch_word(u32::from_le_bytes(*word), joint.at(), piece.host).to_le_bytes();
                }
            }
        }
        let head = Head {
            sum,
            pieces: self.pieces.len() as u32,
            joints: self.joints.len() as u32,
            relocs: self.relocs.len() as u32,
            others: self.others.len() as u32,
            code: self.code.len() as u32,
            ..self.head
        };
        let mut bytes = Vec::with_capacity(head.bytes() + 16);
        append(&mut bytes, &[head]);
        append(&mut bytes, &self.pieces);
        append(&mut bytes, &self.joints);
        append(&mut bytes, &self.relocs);
        append(&mut bytes, &self.others);
        bytes.extend_from_slice(&self.code);
        bytes.resize(bytes.len().next_multiple_of(16), 0);
        bytes
    }
}

/// The cache lines of a range of offsets in a page that is not empty.
fn lines(start: u64, end: u64) -> u64 {
    const LINE: u64 = PAGE as u64 / 64;
    lines_from_to((start / LINE) as u32, ((end - 1) / LINE) as u32)
}

/// What may be written as it is in memory: numbers that leave no gap.
trait Plain: Copy {}
impl Plain for Head {}
impl Plain for Piece {}
impl Plain for Joint {}
impl Plain for Two {}
impl Plain for u32 {}
const _: () =
    assert!(size_of::<Head>() == 16 + 16 + 8 + 8 + 8 * 4 && size_of::<Piece>() == 4 * 4 + 4 * 2 && size_of::<Joint>() == 6 * 4);

fn append<T: Plain>(to: &mut Vec<u8>, list: &[T]) {
    // SAFETY: such numbers are bytes, all of them initialized.
    to.extend_from_slice(unsafe { std::slice::from_raw_parts(list.as_ptr().cast(), size_of_val(list)) });
}
