//! Which instructions have code of their own.

use super::guest::lift;
use super::run::*;
use jit::guest::arm64::decode::ROWS;
use jit::host::{Backend, Features, Reloc};
use jit::ir::Mode;

/// Instructions that call the software also on a CPU that has everything.
const SOFTWARE: &[&str] = &[
    "MRS_RNDR",
    "MRS_RNDRRS",
    "MRS_FPSR",
    "MSR_FPSR",
    "MRS_CNTVCT",
    "BFCVT",
    "SM4E",
    "FCVTXN_s",
    "FRINTA_h",
    "FCVTNS_s_h",
    "FCVTMS_s_h",
    "FCVTAS_s_h",
    "FCVTPS_s_h",
    "FCVTZS_s_h",
    "FCVTNU_s_h",
    "FCVTMU_s_h",
    "FCVTAU_s_h",
    "FCVTPU_s_h",
    "FCVTZU_s_h",
    "FRECPE_s_h",
    "FRSQRTE_s_h",
    "FRECPX_h",
    "BFCVTN",
    "FCVTXN",
    "FRECPX",
    "UCVTF_h",
    "FCVTNS_v_h",
    "FCVTMS_v_h",
    "FCVTAS_v_h",
    "FCVTPS_v_h",
    "FCVTZS_v_h",
    "FCVTNU_v_h",
    "FCVTMU_v_h",
    "FCVTAU_v_h",
    "FCVTPU_v_h",
    "FCVTZU_v_h",
    "FRECPE_v_h",
    "FRSQRTE_v_h",
    "FRINTA_v_h",
    "URECPE_v",
    "URSQRTE_v",
    "SUQADD_s",
    "USQADD_s",
    "SUQADD_v",
    "USQADD_v",
    "FCVT",
    "FCVTZS_fix_sh",
    "FCVTZU_fix_sh",
    "BFMMLA",
    "SM4EKEY",
    "FRECPS_s_h",
    "FRSQRTS_s_h",
    "FCVTZS_fix_vh",
    "FCVTZU_fix_vh",
    "BFDOT_v",
    "FRECPS_v_h",
    "FRSQRTS_v_h",
    "SCVTF_fixed_h",
    "UCVTF_fixed_h",
    "SQSHL_s",
    "UQSHL_s",
    "SQRSHL_s",
    "UQRSHL_s",
    "BFDOT_e",
    "FCCMP_h",
    "FCCMPE_h",
    "SQSHL_v",
    "UQSHL_v",
    "SQRSHL_v",
    "UQRSHL_v",
    "PMUL_v",
    "PMULL_v",
];

/// Whether the straight part of the code for `word` calls the software.
fn calls_software(m: &mut Machine, word: u32) -> bool {
    let mut b = lift(&[word], Mode::default(), &[]);
    m.host.emit(&mut b, &mut m.out);
    let end = m.out.links.iter().map(|l| l.at).max().unwrap_or(0);
    let eval = jit::host::amd64::stubs::Stub::Eval as u8;
    m.out.relocs.iter().any(|r| matches!(*r, Reloc::Stub { at, stub } if stub == eval && at < end))
}

#[test]
fn all_else_is_direct() {
    let f = Features::detect();
    if !(f.avx2 && f.fma && f.f16c && f.bmi && f.lzcnt && f.aes && f.pclmul && f.sha) {
        return;
    }
    let mut m = Machine::new(f);
    let r = &mut Rng(7);
    let mut found = vec![];
    for row in ROWS.iter() {
        if (0..200).any(|_| calls_software(&mut m, r.next() as u32 & !row.mask | row.value)) {
            found.push(row.name);
        }
    }
    assert_eq!(found, SOFTWARE);
}
