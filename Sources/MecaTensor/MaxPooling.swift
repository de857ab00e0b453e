import CMecaKernels

/// Largest values of square windows: `y[n, c, i, j] = max x[n, c, i·stride + r − padding, …]`.
///
/// r and s go over the window's points inside the plane, as if −∞ lay outside. Of several equal
/// values the first in row-major order counts, and what is not a number wins, as in PyTorch.
///
/// - Shapes: `x` as `input`, `y` as `output`, with `H′ = (H + 2·padding − kernel) / stride + 1`,
///   rounded down.
public struct MaxPooling: Hashable, Sendable {
  /// Layout of what is pooled.
  public let input: ActivationLayout
  /// Layout of the result: the same channels in the same blocks.
  public let output: ActivationLayout
  /// Rows and columns of a window.
  public let kernel: Int
  /// Distance between two windows.
  public let stride: Int
  /// Points that the first window begins before the plane.
  public let padding: Int

  /// Describes a pooling; every window has a point in the plane because `padding` is at most half
  /// of `kernel`, and 16 is the largest kernel, since a place in a window is a byte.
  public init(_ input: ActivationLayout, kernel: Int, stride: Int, padding: Int) {
    precondition(
      1...16 ~= kernel && stride >= 1 && padding >= 0 && 2 * padding <= kernel,
      "kernel \(kernel), stride \(stride), padding \(padding)")
    precondition(
      min(input.height, input.width) + 2 * padding >= kernel,
      "kernel \(kernel) exceeds \(input.height)x\(input.width) with padding \(padding)")
    self.input = input
    self.kernel = kernel
    self.stride = stride
    self.padding = padding
    func reduced(_ size: Int) -> Int { (size + 2 * padding - kernel) / stride + 1 }
    output = ActivationLayout(
      channels: input.channels, block: input.block, height: reduced(input.height),
      width: reduced(input.width))
  }

  /// Computes `y`.
  ///
  /// - Parameter places: receives for each value of `y` its place `r·kernel + s` in the window, which
  ///   `backward` needs; nil where nobody does.
  public func forward(
    batch: Int, x: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>,
    places: UnsafeMutablePointer<UInt8>?
  ) {
    meca_max_pool_forward(geometry(batch: batch), x, y, places)
  }

  /// Overwrites `gradInput` with the derivative by `x`: each point's sum of `gradOutput` over the
  /// windows whose largest value it was, row by row.
  public func backward(
    batch: Int, gradOutput: UnsafePointer<Float>, places: UnsafePointer<UInt8>,
    gradInput: UnsafeMutablePointer<Float>
  ) {
    meca_max_pool_backward(geometry(batch: batch), gradOutput, places, gradInput)
  }

  private func geometry(batch: Int) -> meca_pool {
    meca_pool(
      batch: Int64(batch), blocks: Int64(input.blocks), block: Int64(input.block),
      height: Int64(input.height), width: Int64(input.width),
      out_height: Int64(output.height), out_width: Int64(output.width),
      kernel: Int64(kernel), stride: Int64(stride), padding: Int64(padding))
  }
}
