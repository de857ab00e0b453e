/// What convolutions multiply in training.
///
/// Weights, activations, statistics, losses, sums and everything outside of training are fp32 with
/// either.
public enum Precision: String, Sendable, CaseIterable, Codable {
  /// 32-bit floats.
  case fp32
  /// Operands rounded to bfloat16 (8 bits of mantissa), products and sums in fp32.
  ///
  /// With oneDNN those of direct convolutions between blocks of 16 channels. Where there is a faster
  /// algorithm in fp32 (Winograd) it stays: that costs less time than the shorter operands save, and
  /// rounds less. So do narrower layers, the image's and those of one channel a group. OpenBLAS rounds
  /// all but the last.
  case bf16
}
