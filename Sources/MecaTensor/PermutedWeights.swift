/// A convolution whose own order of weights is a permutation of `[K, C/G, R, S]` with zeros between,
/// and which derives nothing from them.
protocol PermutedWeights: Convolution {
  /// Visits every weight's place in `[K, C/G, R, S]` and in the own order.
  func forEachWeight(_ visit: (_ canonical: Int, _ own: Int) -> Void)
}

extension PermutedWeights {
  func importWeights(_ canonical: UnsafePointer<Float>, to own: UnsafeMutablePointer<Float>) {
    own.update(repeating: 0, count: weightCount)
    forEachWeight { own[$1] = canonical[$0] }
  }

  func exportWeights(_ own: UnsafePointer<Float>, to canonical: UnsafeMutablePointer<Float>) {
    forEachWeight { canonical[$0] = own[$1] }
  }

  func prepare(_ weights: UnsafePointer<Float>, into prepared: UnsafeMutablePointer<Float>) {}
}
