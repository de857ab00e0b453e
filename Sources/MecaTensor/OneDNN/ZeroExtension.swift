#if MECA_ONEDNN
  import COneDNN

  /// Planes with rows and columns of zeros behind their own.
  ///
  /// For AVX2 oneDNN has no generated kernel for the gradient by the weights where planes have fewer
  /// rows or columns than the kernel; its reference kernel is a thousand times slower. With zeros
  /// behind both planes every sum has the same terms and zeros: for a 3×3 kernel 2×2 points become
  /// `a b 0 / c d 0 / 0 0 0`.
  struct ZeroExtension {
    /// The convolution over extended planes.
    let shape: ConvolutionShape
    let input: ActivationLayout
    let output: ActivationLayout

    /// Extends the planes of a convolution until the output has as many rows and columns as the
    /// kernel; nil where it has.
    init?(_ shape: ConvolutionShape, input: ActivationLayout, output: ActivationLayout) {
      guard min(output.height, output.width) < shape.kernel else { return nil }
      var (extended, extendedInput, extendedOutput) = (shape, input, output)
      func extend(_ points: inout Int, _ inner: inout Int) {
        guard points < shape.kernel else { return }
        points = shape.kernel
        inner = (points - 1) * shape.stride + shape.kernel - 2 * shape.padding
      }
      extend(&extendedOutput.height, &extendedInput.height)
      extend(&extendedOutput.width, &extendedInput.width)
      (extended.inputHeight, extended.inputWidth) = (extendedInput.height, extendedInput.width)
      (self.shape, self.input, self.output) = (extended, extendedInput, extendedOutput)
    }

    /// Copies planes of `layout` to larger ones and fills up with zeros.
    static func copy(
      _ values: UnsafePointer<Float>, _ layout: ActivationLayout, batch: Int,
      to target: UnsafeMutablePointer<Float>, _ extended: ActivationLayout
    ) {
      target.update(repeating: 0, count: extended.count(batch: batch))
      let (row, extendedRow) = (layout.width * layout.block, extended.width * extended.block)
      for plane in 0..<batch * layout.blocks {
        for line in 0..<layout.height {
          (target + (plane * extended.height + line) * extendedRow).update(
            from: values + (plane * layout.height + line) * row, count: row)
        }
      }
    }
  }
#endif
