//! The table of IR operations: one row each. Printer, parser, verifier, interpreter and back ends are driven by it.

/// What an operand or result must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Absent.
    No,
    /// The instruction's own `ty` (i32 or i64).
    T,
    /// i32 exactly.
    W,
    /// i64 exactly.
    X,
    /// Either integer type.
    Int,
    /// v128.
    V,
    /// flags.
    F,
    /// Any of i32, i64, v128, flags: the instruction's own `ty`.
    Any,
    /// i64, may be absent (index of an address).
    OptX,
}

/// How `aux` and `imm` are to be read (and printed).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Aux {
    /// Unused.
    No,
    /// `imm` is a constant.
    Imm,
    /// `imm` is a guest register number.
    Reg,
    /// `aux` is a `Cond`.
    Cc,
    /// `aux` is a `Cond`, `imm` an NZCV constant (bits 3..0) used when it fails.
    CcNzcv,
    /// `aux` is an `Arr`.
    Arr,
    /// `aux` is an `Arr`, `imm` a constant (shift, lane, part, rounding: see the operation).
    ArrImm,
    /// `aux` is a `Mem`, `imm` a signed displacement.
    Mem,
    /// `aux` is log2 of an access size, `imm` further (see the operation).
    Size,
    /// `aux` is a small number, `imm` a guest pc.
    Pc,
    /// `aux` is a `Cond`, `imm` a guest pc.
    CcPc,
}

/// What an operation does beside its result.
pub mod fx {
    /// Pure: may be removed when unused, merged, moved.
    pub const PURE: u8 = 0;
    /// May fault: the guest's state must be recoverable here.
    pub const FAULT: u8 = 1;
    /// Reads or writes memory.
    pub const MEM: u8 = 2;
    /// Writes guest state (set, sticky QC).
    pub const STATE: u8 = 4;
    /// FP: accumulates FPSR exceptions, and may trap to be redone exactly (so state must be recoverable).
    pub const FP: u8 = 8;
    /// May leave the block.
    pub const EXIT: u8 = 16;
    /// Always leaves the block: last instruction.
    pub const TERM: u8 = 32;
    /// Reads something that changes by itself (counter): keep order, don't merge.
    pub const VOLATILE: u8 = 64;
    /// Has an operand that is flags (found from the row).
    pub const READS_FLAGS: u8 = 128;

    /// [`READS_FLAGS`] of operands of these kinds.
    pub(super) const fn of_operands(a: super::Kind, b: super::Kind, c: super::Kind) -> u8 {
        use super::Kind::F;
        if matches!(a, F) || matches!(b, F) || matches!(c, F) {
            READS_FLAGS
        } else {
            0
        }
    }
}

macro_rules! ops {
    ($($(#[$doc:meta])* $name:ident $text:literal $res:ident ($a:ident $b:ident $c:ident) $aux:ident $($fx:ident)+;)*) => {
        /// An IR operation. See the module of the same name for the meaning of each row.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        #[repr(u16)]
        #[allow(missing_docs)]
        pub enum Op { $($(#[$doc])* $name,)* }

        /// One row of the table.
        #[derive(Clone, Copy, Debug)]
        pub struct OpInfo {
            /// Name in the text form.
            pub text: &'static str,
            /// Result kind.
            pub result: Kind,
            /// Operand kinds.
            pub args: [Kind; 3],
            /// Reading of `aux` and `imm`.
            pub aux: Aux,
            /// Effects: bits of [`fx`].
            pub fx: u8,
        }

        /// Every operation, in table order.
        pub const ALL_OPS: &[Op] = &[$(Op::$name),*];

        const COUNT: usize = ALL_OPS.len();

        /// The effects once more, close together for those who look at nothing else.
        static EFFECTS: [u8; COUNT] = [$(fx::of_operands(Kind::$a, Kind::$b, Kind::$c) $(| fx::$fx)+),*];

        static INFO: [OpInfo; COUNT] = [$(OpInfo {
            text: $text, result: Kind::$res, args: [Kind::$a, Kind::$b, Kind::$c],
            aux: Aux::$aux, fx: 0 $(| fx::$fx)+,
        }),*];

        impl Op {
            /// The operation's row.
            #[inline]
            pub fn info(self) -> &'static OpInfo { &INFO[self as usize] }
            /// Its effects.
            #[inline]
            pub fn fx(self) -> u8 { EFFECTS[self as usize] }
        }
    };
}

ops! {
    // --- markers, constants, guest state -------------------------------------------------------
    /// Removed instruction; has no effect.
    Nop "nop" No (No No No) No PURE;
    /// The constant `imm` (for i32: zero-extended in `imm`).
    Const "const" T (No No No) Imm PURE;
    /// Read guest register `imm`. Type i64/i32 (low half) for integer slots, v128 for vector slots, flags.
    Get "get" Any (No No No) Reg PURE;
    /// Write guest register `imm` (i64, v128 or flags; write a W register as `zext` first).
    Set "set" No (Any No No) Reg STATE;

    // --- integers (type i32 or i64; i32 arithmetic wraps at 32 bits) -----------------------------
    Add "add" T (T T No) No PURE;
    Sub "sub" T (T T No) No PURE;
    /// a + (b << imm), 0 < imm < width.
    AddShl "addshl" T (T T No) Imm PURE;
    /// a + b + C
    Adc "adc" T (T T F) No PURE;
    /// a - b - !C  (Arm's SBC)
    Sbc "sbc" T (T T F) No PURE;
    And "and" T (T T No) No PURE;
    /// a & !b
    Andn "andn" T (T T No) No PURE;
    Or "or" T (T T No) No PURE;
    /// a | !b
    Orn "orn" T (T T No) No PURE;
    Xor "xor" T (T T No) No PURE;
    /// a ^ !b
    Xorn "xorn" T (T T No) No PURE;
    Not "not" T (T No No) No PURE;
    Neg "neg" T (T No No) No PURE;
    /// Shifts and rotate: the amount b is of the same type and taken modulo the width.
    Shl "shl" T (T T No) No PURE;
    Shr "shr" T (T T No) No PURE;
    Sar "sar" T (T T No) No PURE;
    Ror "ror" T (T T No) No PURE;
    /// Low `width` bits of (a:b) >> imm (Arm's EXTR; a is the high part), imm < width.
    Extr "extr" T (T T No) Imm PURE;
    Mul "mul" T (T T No) No PURE;
    /// High 64 bits of the unsigned 128-bit product.
    Umulh "umulh" X (X X No) No PURE;
    Smulh "smulh" X (X X No) No PURE;
    /// Division with Arm's corners: x / 0 = 0, MIN / -1 = MIN.
    Udiv "udiv" T (T T No) No PURE;
    Sdiv "sdiv" T (T T No) No PURE;
    /// Leading zeros (width if zero); leading sign bits not counting the sign; bit reversal.
    Clz "clz" T (T No No) No PURE;
    Cls "cls" T (T No No) No PURE;
    Rbit "rbit" T (T No No) No PURE;
    /// Byte reversal within each 2-, 4- or 8-byte container: imm = 2, 4, 8.
    Rev "rev" T (T No No) Imm PURE;
    /// Zero- or sign-extension of the field of `imm>>8` bits (1..) at bit `imm&0xff`, to the type's width.
    Ubfx "ubfx" T (T No No) Imm PURE;
    Sbfx "sbfx" T (T No No) Imm PURE;
    /// a with the low `imm>>8` bits of b inserted at bit `imm&0xff`.
    Bfi "bfi" T (T T No) Imm PURE;
    /// i32 → i64.
    Zext "zext" X (W No No) No PURE;
    Sext "sext" X (W No No) No PURE;
    /// i64 → i32 (low half).
    Trunc "trunc" W (X No No) No PURE;
    /// CRC-32 step: a = accumulator (i32), b = data (i64; low 8<<aux bits count), imm = 0: 0x04C11DB7, 1: Castagnoli.
    Crc32 "crc32" W (W X No) Size PURE;

    // --- flags ---------------------------------------------------------------------------------
    /// Flags of the arithmetic result a, which must be add, sub, adc, sbc (NZCV), and, andn (NZ, C=V=0), and directly precede.
    FlagsOf "flagsof" F (Int No No) No PURE;
    /// Conditional compare: if cc(a) then flags of b - c else the constant NZCV.
    Ccmp "ccmp" F (F T T) CcNzcv PURE;
    /// The same with b + c.
    Ccmn "ccmn" F (F T T) CcNzcv PURE;
    /// FP compare of lane 0 (Arr scalar): less N, equal ZC, greater C, unordered CV. Quiet (only SNaN raises Invalid).
    Fcmp "fcmp" F (V V No) Arr FP;
    /// The same, every NaN raises Invalid.
    Fcmpe "fcmpe" F (V V No) Arr FP;
    /// Conditional FP compare: if cc(a) then the flags of fcmp b, c else the constant NZCV, and then nothing is raised.
    /// `imm`: NZCV in bits 3..0, the scalar `Arr` in bits 15..8.
    Fccmp "fccmp" F (F V V) CcNzcv FP;
    /// The same with fcmpe.
    Fccmpe "fccmpe" F (F V V) CcNzcv FP;
    /// Choose between two flag values: if cc(a) then b else c.
    SelFlags "selflags" F (F F F) Cc PURE;
    /// Flags with C inverted: between a carry and a borrow.
    CFlip "cflip" F (F No No) No PURE;
    /// Flags of an FP compare as other architectures have them: Z |= V, C &= !V, N = V = 0 (Arm's AXFLAG).
    AxFlag "axflag" F (F No No) No PURE;
    /// a, with those of N, Z, C, V (bits 3..0) that imm&15 names replaced by bits 3..0 of b >> (imm>>8) (Arm's RMIF).
    FlagsInsert "flagsinsert" F (F Int No) Imm PURE;
    /// From and to NZCV in bits 31..28 of an i64.
    FlagsFrom "flagsfrom" F (X No No) No PURE;
    FlagsTo "flagsto" X (F No No) No PURE;
    /// if cc(a) then b else c.
    Select "select" T (F T T) Cc PURE;
    /// if cc(a) then 1 else 0.
    SetCond "setcond" T (F No No) Cc PURE;
    /// if cc(a) then b else c, whole vectors.
    VSelect "vselect" V (F V V) Cc PURE;

    // --- memory (address = a + (b << scale) + imm) ------------------------------------------------
    /// Integer load of at most the type's size, or v128: 8..128 bits, zero-extended into the vector.
    Load "load" Any (X OptX No) Mem FAULT MEM;
    /// c is i32/i64 (its low bits are stored) or v128 (its low bits are stored).
    Store "store" No (X OptX Any) Mem FAULT MEM;
    /// Load-acquire / store-release (RCsc, as LDAR / STLR), integer.
    LoadAcq "loadacq" Any (X OptX No) Mem FAULT MEM;
    StoreRel "storerel" No (X OptX Any) Mem FAULT MEM;
    /// Load-exclusive at a: integer, or v128 for 128-bit pairs; sets the local monitor. imm: 1 = acquire.
    LoadEx "loadex" Any (X No No) Size FAULT MEM STATE;
    /// Store-exclusive of b at a: 0 stored, 1 not. b integer, or v128 for pairs of 64. imm: 1 = release.
    StoreEx "storeex" W (X Any No) Size FAULT MEM STATE;
    /// Clear the local monitor.
    ClrEx "clrex" No (No No No) No STATE;
    /// Atomic read-modify-write at a with b; result is the old value, zero-extended. Sequentially consistent.
    AtomicAdd "atomic_add" T (X T No) Size FAULT MEM;
    /// old & !b
    AtomicClr "atomic_clr" T (X T No) Size FAULT MEM;
    AtomicEor "atomic_eor" T (X T No) Size FAULT MEM;
    AtomicSet "atomic_set" T (X T No) Size FAULT MEM;
    AtomicSmax "atomic_smax" T (X T No) Size FAULT MEM;
    AtomicSmin "atomic_smin" T (X T No) Size FAULT MEM;
    AtomicUmax "atomic_umax" T (X T No) Size FAULT MEM;
    AtomicUmin "atomic_umin" T (X T No) Size FAULT MEM;
    AtomicSwp "atomic_swp" T (X T No) Size FAULT MEM;
    /// Compare-and-swap at a: expected b (its low bits), new c; result is the old value, zero-extended.
    AtomicCas "atomic_cas" T (X T T) Size FAULT MEM;
    /// 128-bit compare-and-swap, pairs in v128; a must be 16-byte aligned (else alignment fault).
    AtomicCasp "atomic_casp" V (X V V) Size FAULT MEM;
    /// Barrier: imm 0 = full, 1 = loads (dmb ishld), 2 = stores (dmb ishst).
    Fence "fence" No (No No No) Imm MEM STATE;

    // --- system --------------------------------------------------------------------------------
    /// imm 0: the virtual counter (CNTVCT_EL0): monotonic, 1 GHz. imm 1: a random number. imm 2 + n: the system's clock n in nanoseconds.
    Counter "counter" X (No No No) Imm VOLATILE;
    /// FPCR as the guest wrote it.
    GetFpcr "getfpcr" X (No No No) No VOLATILE;
    /// FPSR with the accumulated exception bits and QC, and its write (which also resets what is accumulated).
    GetFpsr "getfpsr" X (No No No) No VOLATILE;
    SetFpsr "setfpsr" No (X No No) No STATE VOLATILE;

    /// Function number imm of the guest's table on a and b (0 where absent). It sees the CPU but for the guest registers, and touches no guest memory.
    Helper "helper" X (OptX OptX No) Imm STATE VOLATILE;
    /// 64-bit word imm of the guest's own area in the CPU, and its write.
    Area "area" X (No No No) Imm VOLATILE;
    SetArea "setarea" No (X No No) Imm STATE VOLATILE;

    // --- vectors: bitwise, constants, moves --------------------------------------------------------
    /// `imm` in the low half, and in the high half too when the arrangement is 128 wide.
    VConst "vconst" V (No No No) ArrImm PURE;
    VAnd "vand" V (V V No) Arr PURE;
    /// a & !b
    VAndn "vandn" V (V V No) Arr PURE;
    VOr "vor" V (V V No) Arr PURE;
    VOrn "vorn" V (V V No) Arr PURE;
    VXor "vxor" V (V V No) Arr PURE;
    VNot "vnot" V (V No No) Arr PURE;
    /// (b & a) | (c & !a): a is the mask.
    VBsl "vbsl" V (V V V) Arr PURE;
    /// Copy of the lanes that the arrangement names, the rest zero.
    VLow "vlow" V (V No No) Arr PURE;
    /// Integer to lane 0, rest zero (fmov d0, x0): aux scalar S or D (or H).
    VFromInt "vfromint" V (Int No No) Arr PURE;
    /// All lanes = low bits of a.
    VDup "vdup" V (Int No No) Arr PURE;
    /// All lanes = lane imm of a (any of its 128 bits).
    VDupLane "vduplane" V (V No No) ArrImm PURE;
    /// a with lane imm = low bits of b.
    VInsert "vinsert" V (V Int No) ArrImm PURE;
    /// a with lane imm>>8 = lane imm&0xff of b.
    VInsertLane "vinsertlane" V (V V No) ArrImm PURE;
    /// Lane imm, zero- or sign-extended to the result type.
    VExtract "vextract" T (V No No) ArrImm PURE;
    VExtractS "vextracts" T (V No No) ArrImm PURE;
    /// The top bits of the lanes, lane 0's in bit 0.
    VMovMask "vmovmask" W (V No No) Arr PURE;
    /// a in bits 63..0, b in bits 127..64.
    VPair "vpair" V (X X No) No PURE;

    // --- vectors: permutes -------------------------------------------------------------------------
    VZip1 "vzip1" V (V V No) Arr PURE;
    VZip2 "vzip2" V (V V No) Arr PURE;
    VUzp1 "vuzp1" V (V V No) Arr PURE;
    VUzp2 "vuzp2" V (V V No) Arr PURE;
    VTrn1 "vtrn1" V (V V No) Arr PURE;
    VTrn2 "vtrn2" V (V V No) Arr PURE;
    /// EXT: bytes imm.. of b:a (a low), 8 or 16 bytes wide.
    VExt "vext" V (V V No) ArrImm PURE;
    /// Reverse the elements inside containers of `imm` bytes (2, 4, 8).
    VRev "vrev" V (V No No) ArrImm PURE;
    /// Byte lookup: result byte = b[c_i] when c_i < 16, else a_i. One 16-byte table b; chain it for longer tables.
    VTbx "vtbx" V (V V V) Arr PURE;

    // --- vectors: integer arithmetic (lane-wise, wrapping unless said) ---------------------------------
    VAdd "vadd" V (V V No) Arr PURE;
    VSub "vsub" V (V V No) Arr PURE;
    VMul "vmul" V (V V No) Arr PURE;
    /// Polynomial multiply, 8-bit lanes, low 8 bits of each product.
    VPmul "vpmul" V (V V No) Arr PURE;
    /// a + the products of four adjacent 8-bit lanes of b and c in each 32-bit lane (aux: S2 or S4); imm: a [`Dot`](super::Dot).
    VDot "vdot" V (V V V) ArrImm PURE;
    VNeg "vneg" V (V No No) Arr PURE;
    VAbs "vabs" V (V No No) Arr PURE;
    VCls "vcls" V (V No No) Arr PURE;
    VClz "vclz" V (V No No) Arr PURE;
    /// Population count of bytes.
    VCnt "vcnt" V (V No No) Arr PURE;
    /// Bit reversal of bytes.
    VRbit "vrbit" V (V No No) Arr PURE;
    VSmax "vsmax" V (V V No) Arr PURE;
    VSmin "vsmin" V (V V No) Arr PURE;
    VUmax "vumax" V (V V No) Arr PURE;
    VUmin "vumin" V (V V No) Arr PURE;
    /// |a - b|
    VSabd "vsabd" V (V V No) Arr PURE;
    VUabd "vuabd" V (V V No) Arr PURE;
    /// Halving: (a ± b) >> 1 without overflow; r: rounded.
    VShadd "vshadd" V (V V No) Arr PURE;
    VUhadd "vuhadd" V (V V No) Arr PURE;
    VSrhadd "vsrhadd" V (V V No) Arr PURE;
    VUrhadd "vurhadd" V (V V No) Arr PURE;
    VShsub "vshsub" V (V V No) Arr PURE;
    VUhsub "vuhsub" V (V V No) Arr PURE;
    /// Comparisons: all ones or all zeros per lane. Gt/Ge signed, Hi/Hs unsigned, Tst: a & b != 0.
    VCmpEq "vcmpeq" V (V V No) Arr PURE;
    VCmpGt "vcmpgt" V (V V No) Arr PURE;
    VCmpGe "vcmpge" V (V V No) Arr PURE;
    VCmpHi "vcmphi" V (V V No) Arr PURE;
    VCmpHs "vcmphs" V (V V No) Arr PURE;
    VTst "vtst" V (V V No) Arr PURE;
    /// Pairwise on the concatenation b:a (a low), as ADDP, SMAXP … (scalar arrangement D: ADDP d, v.2d: both lanes of a).
    VAddp "vaddp" V (V V No) Arr PURE;
    VSmaxp "vsmaxp" V (V V No) Arr PURE;
    VSminp "vsminp" V (V V No) Arr PURE;
    VUmaxp "vumaxp" V (V V No) Arr PURE;
    VUminp "vuminp" V (V V No) Arr PURE;
    /// Pairwise long: adjacent lanes of the source arrangement added into lanes of twice the size.
    VSaddlp "vsaddlp" V (V No No) Arr PURE;
    VUaddlp "vuaddlp" V (V No No) Arr PURE;
    /// Across all lanes of the (source) arrangement into lane 0, rest zero. `l`: result lane of twice the size.
    VAddv "vaddv" V (V No No) Arr PURE;
    VSaddlv "vsaddlv" V (V No No) Arr PURE;
    VUaddlv "vuaddlv" V (V No No) Arr PURE;
    VSmaxv "vsmaxv" V (V No No) Arr PURE;
    VSminv "vsminv" V (V No No) Arr PURE;
    VUmaxv "vumaxv" V (V No No) Arr PURE;
    VUminv "vuminv" V (V No No) Arr PURE;
    VUrecpe "vurecpe" V (V No No) Arr PURE;
    VUrsqrte "vursqrte" V (V No No) Arr PURE;

    // --- vectors: shifts ---------------------------------------------------------------------------
    /// By the constant imm: left 0..bits-1; right 1..bits (bits: all shifted out); `r`: rounded.
    VShlI "vshli" V (V No No) ArrImm PURE;
    VUshrI "vushri" V (V No No) ArrImm PURE;
    VSshrI "vsshri" V (V No No) ArrImm PURE;
    VUrshrI "vurshri" V (V No No) ArrImm PURE;
    VSrshrI "vsrshri" V (V No No) ArrImm PURE;
    /// Shift b and insert into a (SLI, SRI).
    VSliI "vslii" V (V V No) ArrImm PURE;
    VSriI "vsrii" V (V V No) ArrImm PURE;
    /// By the signed low byte of each lane of b (negative: right), as USHL, SSHL, URSHL, SRSHL.
    VUshl "vushl" V (V V No) Arr PURE;
    VSshl "vsshl" V (V V No) Arr PURE;
    VUrshl "vurshl" V (V V No) Arr PURE;
    VSrshl "vsrshl" V (V V No) Arr PURE;

    // --- vectors: saturating (sticky QC is set when a counted lane saturates) -----------------------------
    VSqadd "vsqadd" V (V V No) Arr STATE;
    VUqadd "vuqadd" V (V V No) Arr STATE;
    VSqsub "vsqsub" V (V V No) Arr STATE;
    VUqsub "vuqsub" V (V V No) Arr STATE;
    /// a (signed) + b (unsigned), signed saturation; and a (unsigned) + b (signed), unsigned saturation.
    VSuqadd "vsuqadd" V (V V No) Arr STATE;
    VUsqadd "vusqadd" V (V V No) Arr STATE;
    VSqabs "vsqabs" V (V No No) Arr STATE;
    VSqneg "vsqneg" V (V No No) Arr STATE;
    VSqdmulh "vsqdmulh" V (V V No) Arr STATE;
    VSqrdmulh "vsqrdmulh" V (V V No) Arr STATE;
    /// a ± the rounded high half of 2 * b * c, saturating once: imm 0 adds, 1 subtracts.
    VSqrdmlah "vsqrdmlah" V (V V V) ArrImm STATE;
    VSqshl "vsqshl" V (V V No) Arr STATE;
    VUqshl "vuqshl" V (V V No) Arr STATE;
    VSqrshl "vsqrshl" V (V V No) Arr STATE;
    VUqrshl "vuqrshl" V (V V No) Arr STATE;
    /// Left by the constant imm; `VSqshluI`: signed in, unsigned saturation.
    VSqshlI "vsqshli" V (V No No) ArrImm STATE;
    VUqshlI "vuqshli" V (V No No) ArrImm STATE;
    VSqshluI "vsqshlui" V (V No No) ArrImm STATE;

    // --- vectors: widening and narrowing ------------------------------------------------------------
    /// Source element size in aux (arrangement of the 64-bit source half; scalar: lane 0 only); imm 0: low half, 1: high half of the source(s).
    VSxtl "vsxtl" V (V No No) ArrImm PURE;
    VUxtl "vuxtl" V (V No No) ArrImm PURE;
    /// imm [`EVEN`](super::EVEN): of the lanes in even places (aux: the sources' arrangement, S4, or H8 where signed).
    VSmull "vsmull" V (V V No) ArrImm PURE;
    VUmull "vumull" V (V V No) ArrImm PURE;
    /// Polynomial: 8 → 16 bits, or 64 → 128 (aux D: one lane).
    VPmull "vpmull" V (V V No) ArrImm PURE;
    /// 2 * a * b, saturating.
    VSqdmull "vsqdmull" V (V V No) ArrImm STATE;
    /// Narrowing: aux is the result arrangement (64 wide, or scalar); lanes of twice the size are read from a; imm = right shift (0 = none); `r` rounded.
    VShrn "vshrn" V (V No No) ArrImm PURE;
    VRshrn "vrshrn" V (V No No) ArrImm PURE;
    VSqshrn "vsqshrn" V (V No No) ArrImm STATE;
    VSqrshrn "vsqrshrn" V (V No No) ArrImm STATE;
    VUqshrn "vuqshrn" V (V No No) ArrImm STATE;
    VUqrshrn "vuqrshrn" V (V No No) ArrImm STATE;
    VSqshrun "vsqshrun" V (V No No) ArrImm STATE;
    VSqrshrun "vsqrshrun" V (V No No) ArrImm STATE;

    // --- floating point (aux: lanes; NaN, rounding and flushing as FPCR says; exceptions accumulate in FPSR) ----
    FAdd "fadd" V (V V No) Arr FP;
    FSub "fsub" V (V V No) Arr FP;
    FMul "fmul" V (V V No) Arr FP;
    FMulx "fmulx" V (V V No) Arr FP;
    FDiv "fdiv" V (V V No) Arr FP;
    /// a + b * c, fused (FPMulAdd: the addend's NaN first).
    FMla "fmla" V (V V V) Arr FP;
    /// a + b * c, fused, with single a (aux: S2 or S4) and the half-precision lanes of the low or high (imm 1) part of b and c.
    FMlal "fmlal" V (V V V) ArrImm FP;
    FSqrt "fsqrt" V (V No No) Arr FP;
    /// Sign operations: never raise, never quieten.
    FAbs "fabs" V (V No No) Arr PURE;
    FNeg "fneg" V (V No No) Arr PURE;
    /// |a - b| with FSub's exceptions.
    FAbd "fabd" V (V V No) Arr FP;
    FMax "fmax" V (V V No) Arr FP;
    FMin "fmin" V (V V No) Arr FP;
    FMaxnm "fmaxnm" V (V V No) Arr FP;
    FMinnm "fminnm" V (V V No) Arr FP;
    /// Pairwise on b:a (a low); scalar arrangement: the two low lanes of a.
    FAddp "faddp" V (V V No) Arr FP;
    FMaxp "fmaxp" V (V V No) Arr FP;
    FMinp "fminp" V (V V No) Arr FP;
    FMaxnmp "fmaxnmp" V (V V No) Arr FP;
    FMinnmp "fminnmp" V (V V No) Arr FP;
    /// Comparisons to masks. Eq is quiet, Ge and Gt raise Invalid on any NaN.
    FCmpEq "fcmpeq" V (V V No) Arr FP;
    FCmpGe "fcmpge" V (V V No) Arr FP;
    FCmpGt "fcmpgt" V (V V No) Arr FP;
    /// Comparison to masks by imm: bits 0 to 3 say whether less, equal, greater, unordered is true; bit 4: every NaN raises Invalid.
    FCmpCc "fcmpcc" V (V V No) ArrImm FP;
    /// a * b + c, fused (NaNs in this order). imm: bit 0, the product is negated; bits 2..1: 1, c is negated, 2, in even lanes, 3, in odd ones.
    FFma "ffma" V (V V V) ArrImm FP;
    FRecpe "frecpe" V (V No No) Arr FP;
    FRecpx "frecpx" V (V No No) Arr FP;
    FRsqrte "frsqrte" V (V No No) Arr FP;
    FRecps "frecps" V (V V No) Arr FP;
    FRsqrts "frsqrts" V (V V No) Arr FP;
    /// Round to integral: imm = `Round`, plus 16 where Inexact is raised, plus 32 or 64 << 8 where what a signed integer of so many bits can't hold becomes its least.
    FRint "frint" V (V No No) ArrImm FP;
    /// To integer lanes of the same size: imm = `Round` | fraction bits << 8. Saturating.
    FToS "ftos" V (V No No) ArrImm FP;
    FToU "ftou" V (V No No) ArrImm FP;
    /// Lane 0 (aux scalar) to a general register of the result type: imm as above. FToSInt with [`JAVASCRIPT`](super::JAVASCRIPT): see there.
    FToSInt "ftosint" T (V No No) ArrImm FP;
    FToUInt "ftouint" T (V No No) ArrImm FP;
    /// From integer lanes: imm = fraction bits << 8.
    SToF "stof" V (V No No) ArrImm FP;
    UToF "utof" V (V No No) ArrImm FP;
    /// From a general register (its own type gives the source width) into lane 0: imm = fraction bits << 8.
    IntSToF "intstof" V (Int No No) ArrImm FP;
    IntUToF "intutof" V (Int No No) ArrImm FP;
    /// Scalar precision change: from aux to the element size log2 = imm (0: BFloat16).
    FCvt "fcvt" V (V No No) ArrImm FP;
    /// Lengthen: aux source (H4 or S2), imm part 0/1. Shorten: aux result (H4 or S2; scalar S), imm: `Round` (Current, or Odd for FCVTXN), plus 8 for BFloat16.
    FCvtl "fcvtl" V (V No No) ArrImm FP;
    FCvtn "fcvtn" V (V No No) ArrImm FP;

    // --- cryptography ----------------------------------------------------------------------------------
    /// AESE/AESD: state a, key b. AESMC/AESIMC.
    Aese "aese" V (V V No) No PURE;
    Aesd "aesd" V (V V No) No PURE;
    Aesmc "aesmc" V (V No No) No PURE;
    Aesimc "aesimc" V (V No No) No PURE;
    /// As the instructions: (Qd, Sn, Vm).
    Sha1c "sha1c" V (V V V) No PURE;
    Sha1p "sha1p" V (V V V) No PURE;
    Sha1m "sha1m" V (V V V) No PURE;
    Sha1h "sha1h" V (V No No) No PURE;
    Sha1su0 "sha1su0" V (V V V) No PURE;
    Sha1su1 "sha1su1" V (V V No) No PURE;
    Sha256h "sha256h" V (V V V) No PURE;
    Sha256h2 "sha256h2" V (V V V) No PURE;
    Sha256su0 "sha256su0" V (V V No) No PURE;
    /// Newer instructions: imm is a [`Crypto`](super::Crypto), and a constant above it << 8. Operands in the order of its description.
    Crypto "crypto" V (V V V) Imm PURE;
    Sha256su1 "sha256su1" V (V V V) No PURE;

    // --- side exits: leave to the guest pc `imm` when the condition holds --------------------------------
    ExitIf "exit_if" No (F No No) CcPc EXIT;
    ExitIfZero "exit_if_zero" No (Int No No) Pc EXIT;
    ExitIfNonzero "exit_if_nonzero" No (Int No No) Pc EXIT;
    /// Bit `aux` of a is one / zero.
    ExitIfBit "exit_if_bit" No (Int No No) Pc EXIT;
    ExitIfNotBit "exit_if_notbit" No (Int No No) Pc EXIT;

    /// Leave to the runtime as [`Trap`] does if a is not zero: aux = the kind, imm = its detail; the guest's pc is the instruction's.
    TrapIf "trap_if" No (Int No No) Pc EXIT;

    /// Leave to the runtime as a [`Trap`] of kind [`Trap::InvalidateCode`] does, with operand a, unless nothing depends on the code in the line of address a;
    /// the guest's pc is imm. (The interpreter keeps nothing.)
    TrapIfCode "trap_if_code" No (X No No) Pc EXIT;

    /// Side exit to the guest pc in a unless that is imm, where the trace goes on.
    ExitUnless "exit_unless" No (X No No) Pc EXIT;
    /// From here on the trace is in a function that is to return to imm (which the guest's link register or stack says already): whoever leaves the trace
    /// finds the call on the return stack.
    Enter "enter" No (No No No) Pc PURE;
    /// The innermost of these calls is over, or is about to return.
    Unwind "unwind" No (No No No) No PURE;

    // --- terminals -------------------------------------------------------------------------------------
    /// To the guest pc `imm`.
    Jump "jump" No (No No No) Pc EXIT TERM;
    /// To the guest pc in a.
    JumpInd "jump_ind" No (X No No) No EXIT TERM;
    /// Call of `imm` / of a: the return address is the block's `end` (and already written to the guest's link register or stack); b is it, where it is
    /// a value already.
    Call "call" No (No OptX No) Pc EXIT TERM;
    CallInd "call_ind" No (X OptX No) No EXIT TERM;
    /// Return to a.
    Return "return" No (X No No) No EXIT TERM;
    /// Leave to the runtime: aux = `Trap`, imm = its detail, a = its operand. Resumes at the block's `end` unless the runtime decides otherwise;
    /// for undefined and breakpoint the pc is that of the instruction itself.
    Trap "trap" No (OptX No No) Pc EXIT TERM;
}

/// `imm` of an atomic read-modify-write: the address may be any, and the operation is atomic even where it crosses a cache line.
pub const SPLIT: u64 = 1;

/// Why a block leaves to the runtime (`aux` of [`Op::Trap`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Trap {
    /// System call; pc = after the instruction.
    Syscall = 0,
    /// Undefined instruction: imm = its encoding; pc = the instruction.
    Undefined = 1,
    /// Breakpoint instruction: imm = its comment field; pc = the instruction.
    Breakpoint = 2,
    /// Instruction cache invalidation of the line that holds address a (IC IVAU); pc = after.
    InvalidateCode = 3,
    /// FPCR := a; pc = after.
    SetFpcr = 4,
    /// Instruction fetch failed at imm: pc = imm.
    FetchFault = 5,
    /// pc is not 4-byte aligned: pc = imm.
    PcAlign = 6,
    /// Context synchronization (ISB); pc = after.
    Synchronize = 7,
    /// A division that has no result; pc = the instruction.
    Divide = 8,
    /// Refused by the processor (#GP): pc = the instruction.
    Protection = 9,
    /// Debug instruction that resumes after itself: imm 0 = INT3, 1 = INT1, 4 = INT 4 (overflow); pc = after.
    Debug = 10,
    /// An unmasked FP exception is pending: imm 0 = of vectors, 1 = of the x87; pc = the instruction.
    FpException = 11,
    /// A software interrupt that user mode has no right to: imm = its number; pc = the instruction.
    Interrupt = 12,
}

impl Trap {
    /// From `aux`.
    pub fn from_bits(b: u8) -> Trap {
        Trap::ALL[b as usize % Trap::ALL.len()]
    }
    /// Every one, by number.
    pub const ALL: [Trap; 13] = {
        use Trap::*;
        [
            Syscall,
            Undefined,
            Breakpoint,
            InvalidateCode,
            SetFpcr,
            FetchFault,
            PcAlign,
            Synchronize,
            Divide,
            Protection,
            Debug,
            FpException,
            Interrupt,
        ]
    };
    /// The guest's pc is the instruction itself.
    pub fn at_insn(self) -> bool {
        use Trap::*;
        matches!(self, Undefined | Breakpoint | Divide | Protection | FpException | Interrupt)
    }
}
