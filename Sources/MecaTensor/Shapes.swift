/// Size of one two-dimensional convolution with a square kernel.
///
/// `output[n, k, i, j] = Σ weight[k, c, r, s] · input[n, c, i·stride + r − padding, j·stride + s − padding]`
///
/// With groups G the channels of both sides are cut into G equal runs, and k sees the inputs of its
/// own run alone: `c` goes over C/G channels from `k / (K/G) · C/G` on. G = C = K is "depthwise".
///
/// - Shapes: input `[N, C, H, W]`, weight `[K, C/G, R, R]`, output `[N, K, H′, W′]` with
///   `H′ = (H + 2·padding − R) / stride + 1`, rounded down.
public struct ConvolutionShape: Hashable, Sendable {
  /// Number of images, "N".
  public var batch: Int
  /// Channels that come in, "C".
  public var inputChannels: Int
  /// Channels that go out, "K".
  public var outputChannels: Int
  /// Rows of an input plane, "H".
  public var inputHeight: Int
  /// Columns of an input plane, "W".
  public var inputWidth: Int
  /// Rows and columns of the kernel, "R".
  public var kernel: Int
  /// Distance between two output points, in input points.
  public var stride: Int
  /// Zeros added at each of the four edges.
  public var padding: Int
  /// Runs of channels that do not see each other, "G".
  public var groups: Int

  /// Gathers the nine sizes; all at least 1, padding at least 0, the kernel fits the input, and
  /// `groups` divides both numbers of channels.
  public init(
    batch: Int, inputChannels: Int, outputChannels: Int, inputHeight: Int, inputWidth: Int,
    kernel: Int, stride: Int, padding: Int, groups: Int = 1
  ) {
    precondition(
      min(batch, inputChannels, outputChannels, inputHeight, inputWidth, kernel, stride) >= 1
        && padding >= 0,
      "sizes must be positive: batch \(batch), channels \(inputChannels) → \(outputChannels), "
        + "input \(inputHeight)x\(inputWidth), kernel \(kernel), stride \(stride), "
        + "padding \(padding)")
    precondition(
      min(inputHeight, inputWidth) + 2 * padding >= kernel,
      "kernel \(kernel) exceeds input \(inputHeight)x\(inputWidth) with padding \(padding)")
    precondition(
      groups >= 1 && inputChannels % groups == 0 && outputChannels % groups == 0,
      "\(groups) groups of channels \(inputChannels) → \(outputChannels)")
    self.batch = batch
    self.inputChannels = inputChannels
    self.outputChannels = outputChannels
    self.inputHeight = inputHeight
    self.inputWidth = inputWidth
    self.kernel = kernel
    self.stride = stride
    self.padding = padding
    self.groups = groups
  }

  /// Rows of an output plane, "H′".
  public var outputHeight: Int { (inputHeight + 2 * padding - kernel) / stride + 1 }
  /// Columns of an output plane, "W′".
  public var outputWidth: Int { (inputWidth + 2 * padding - kernel) / stride + 1 }
  /// Number of weights without any padding, `K·C/G·R·R`.
  public var weightCount: Int { outputChannels * inputChannels / groups * kernel * kernel }
  /// Whether every channel has a kernel of its own, G = C = K > 1.
  public var isDepthwise: Bool {
    groups > 1 && groups == inputChannels && groups == outputChannels
  }
  /// Multiplications of one direction, counting those with the zeros at the edges.
  public var multiplyAdds: Int { batch * weightCount * outputHeight * outputWidth }
}

/// Memory order of an activation: `[batch][blocks][height·width][block]`.
///
/// Channel `c` lies in block `c / block` at place `c % block`; the places behind the last channel
/// hold zeros. NCHW is block 1, NHWC is one block of all channels, oneDNN's nChw8c is block 8.
/// Example: 3 channels in blocks of 2, one pixel: `[c0 c1] [c2 0]`.
public struct ActivationLayout: Hashable, Sendable {
  /// Real channels.
  public var channels: Int
  /// Neighbouring channels that lie side by side.
  public var block: Int
  /// Rows.
  public var height: Int
  /// Columns.
  public var width: Int

  /// Describes `channels` planes of `height` x `width` in blocks of `block` channels.
  public init(channels: Int, block: Int, height: Int, width: Int) {
    precondition(
      min(channels, block, height, width) >= 1,
      "sizes must be positive: channels \(channels), block \(block), \(height)x\(width)")
    self.channels = channels
    self.block = block
    self.height = height
    self.width = width
  }

  /// The plain order of PyTorch and of files: channel by channel, row by row.
  public static func nchw(channels: Int, height: Int, width: Int) -> ActivationLayout {
    ActivationLayout(channels: channels, block: 1, height: height, width: width)
  }

  /// Number of blocks, the last one perhaps filled up with zeros.
  public var blocks: Int { (channels + block - 1) / block }
  /// Points of a plane.
  public var planeSize: Int { height * width }
  /// Floats that `batch` images take, padding included.
  public func count(batch: Int) -> Int { batch * blocks * block * planeSize }
}
