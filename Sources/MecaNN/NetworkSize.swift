extension NetworkConfiguration {
  /// Multiplications of the network for one image, as `Model.multiplyAdds` counts them.
  ///
  /// From the formulas of the architecture alone: nothing is planned or allocated for it.
  public var multiplyAdds: (evaluation: Int, training: Int, scoring: Int) {
    let floats = floats
    let forward = floats.multiplyAdds
    return (forward, 3 * forward - floats.firstMultiplyAdds, 3 * forward)
  }

  /// Floats of all convolutions' results for one image, of what max pooling makes of them, and of all
  /// trainable parameters; multiplications, and those of the first convolution.
  ///
  /// From the formulas of the architecture alone: nothing is planned or allocated for it.
  package var floats:
    (
      activations: Int, pooled: Int, parameters: Int, multiplyAdds: Int, firstMultiplyAdds: Int
    )
  {
    let outline = self.outline
    var (height, width, channels) = (imageHeight, imageWidth, Self.imageChannels)
    var activations = 0
    var parameters = 0
    var multiplyAdds = 0
    /// `seen`: input channels of each output, all where it is nil.
    func convolution(to output: Int, kernel: Int, seen: Int? = nil) {
      activations += output * height * width
      // Kernels, then scale and shift of the normalisation.
      let kernels = output * (seen ?? channels) * kernel * kernel
      parameters += kernels + 2 * output
      multiplyAdds += kernels * height * width
    }
    // Padding keeps the size at stride 1, for kernels of any size.
    let stem = outline.stem
    (height, width) = (reduced(height, by: stem.stride), reduced(width, by: stem.stride))
    convolution(to: stem.channels, kernel: stem.kernel)
    let first = multiplyAdds
    channels = stem.channels
    var pooled = 0
    if stem.isPooled {
      (height, width) = (reduced(height, by: 2), reduced(width, by: 2))
      pooled = channels * height * width
    }
    for block in outline.blocks {
      switch block.kind {
      case .basic:
        (height, width) = (reduced(height, by: block.stride), reduced(width, by: block.stride))
        convolution(to: block.channels, kernel: 3)
        convolution(to: block.channels, kernel: 3, seen: block.channels)
        if block.stride > 1 || channels != block.channels {
          convolution(to: block.channels, kernel: 1)
        }
      case .inverted(let expansion):
        let hidden = expansion * channels
        if expansion > 1 { convolution(to: hidden, kernel: 1) }
        (height, width) = (reduced(height, by: block.stride), reduced(width, by: block.stride))
        convolution(to: hidden, kernel: 3, seen: 1)
        convolution(to: block.channels, kernel: 1, seen: hidden)
      }
      channels = block.channels
    }
    if let head = outline.head {
      convolution(to: head.channels, kernel: 1)
      channels = head.channels
    }
    return (
      activations, pooled, parameters + (channels + 1) * classCount,
      multiplyAdds + channels * classCount, first
    )
  }

  /// Bytes that training takes at the very least on a rank: the results of all convolutions and
  /// normalisations for each thread's microbatch, what is pooled of them; weights, velocity and
  /// gradients.
  public func leastTrainingBytes(microbatch: Int, threads: Int) -> Int {
    let floats = floats
    let perImage = (2.0 * Double(floats.activations) + Double(floats.pooled)) * Double(threads)
    let bytes = 4 * (perImage * Double(microbatch) + 3 * Double(floats.parameters))
    return Int(min(bytes, 0x1p62))
  }

  /// Bytes that scoring `batch` images on each thread takes at the very least on a rank: the results
  /// of all convolutions, weights, and the two gradients between layers, which are not counted.
  public func leastScoringBytes(batch: Int, threads: Int) -> Int {
    let floats = floats
    let perImage = Double(floats.activations + floats.pooled)
    let bytes = 4 * (perImage * Double(batch * threads) + Double(floats.parameters))
    return Int(min(bytes, 0x1p62))
  }
}

/// Rows or columns behind a stride.
private func reduced(_ size: Int, by stride: Int) -> Int { (size - 1) / stride + 1 }
