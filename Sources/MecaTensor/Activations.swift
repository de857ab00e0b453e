import CMecaKernels

/// Averages each channel's plane: `output[n, c] = Σ x[n, c, ·] / (H·W)`.
///
/// - Shapes: `x` as `layout`, `output` `[batch, channels]`, plain.
public func averagePoolForward(
  _ layout: ActivationLayout, batch: Int, x: UnsafePointer<Float>,
  output: UnsafeMutablePointer<Float>
) {
  meca_average_pool_forward(layout.kernelLayout(batch: batch), x, output)
}

/// Derivative of `averagePoolForward`: spreads `gradOutput[n, c] / (H·W)` over the plane.
public func averagePoolBackward(
  _ layout: ActivationLayout, batch: Int, gradOutput: UnsafePointer<Float>,
  gradInput: UnsafeMutablePointer<Float>
) {
  meca_average_pool_backward(layout.kernelLayout(batch: batch), gradOutput, gradInput)
}

/// Writes images in the network's input order: `(raw − mean[c]) · inverseDeviation[c]`.
///
/// - Shapes: `raw` `[batch, channels, H, W]`, `output` as `layout`.
/// - Units: `raw`, `mean` in [0, 1] pixels; `inverseDeviation` is 1 / standard deviation.
public func loadImages(
  _ layout: ActivationLayout, batch: Int, raw: UnsafePointer<Float>, mean: UnsafePointer<Float>,
  inverseDeviation: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>
) {
  meca_load_images(layout.kernelLayout(batch: batch), raw, mean, inverseDeviation, output)
}

/// Derivative of `loadImages`: a gradient by the network's input becomes one by raw pixels.
///
/// - Shapes: `gradient` as `layout`, `rawGradient` `[batch, channels, H, W]`.
public func unloadImageGradient(
  _ layout: ActivationLayout, batch: Int, gradient: UnsafePointer<Float>,
  inverseDeviation: UnsafePointer<Float>, rawGradient: UnsafeMutablePointer<Float>
) {
  meca_unload_image_gradient(
    layout.kernelLayout(batch: batch), gradient, inverseDeviation, rawGradient)
}

/// Copies plain NCHW values to `layout` and sets the padding to zero.
public func pack(
  _ layout: ActivationLayout, batch: Int, nchw: UnsafePointer<Float>,
  to output: UnsafeMutablePointer<Float>
) {
  meca_pack(layout.kernelLayout(batch: batch), nchw, output)
}

/// Copies values in `layout` to plain NCHW; the padding is left out.
public func unpack(
  _ layout: ActivationLayout, batch: Int, _ input: UnsafePointer<Float>,
  toNCHW nchw: UnsafeMutablePointer<Float>
) {
  meca_unpack(layout.kernelLayout(batch: batch), input, nchw)
}

/// Copies values in `layout` to `target`, which has the same channels in blocks of another size.
///
/// One size must divide the other. Places that `target` has more are set to zero; those it has
/// fewer must be padding.
public func reblock(
  _ layout: ActivationLayout, batch: Int, _ input: UnsafePointer<Float>,
  to target: ActivationLayout, _ output: UnsafeMutablePointer<Float>
) {
  precondition(
    layout.channels == target.channels && layout.planeSize == target.planeSize
      && max(layout.block, target.block) % min(layout.block, target.block) == 0,
    "\(layout) is not \(target) in other blocks")
  meca_reblock(
    layout.kernelLayout(batch: batch), input, target.kernelLayout(batch: batch), output)
}
