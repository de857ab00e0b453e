extension NetworkConfiguration {
  /// Floats of all convolutions' results for one image, and of all trainable parameters.
  ///
  /// From the formulas of the architecture alone: nothing is planned or allocated for it.
  package var floats: (activations: Int, parameters: Int) {
    let outline = self.outline
    var (height, width, channels) = (imageHeight, imageWidth, Self.imageChannels)
    var activations = 0
    var parameters = 0
    /// `seen`: input channels of each output, all where it is nil.
    func convolution(to output: Int, kernel: Int, seen: Int? = nil) {
      activations += output * height * width
      // Kernels, then scale and shift of the normalisation.
      parameters += output * (seen ?? channels) * kernel * kernel + 2 * output
    }
    convolution(to: outline.stem.channels, kernel: 3)
    channels = outline.stem.channels
    for block in outline.blocks {
      switch block.kind {
      case .basic:
        (height, width) = (block.reduced(height), block.reduced(width))
        convolution(to: block.channels, kernel: 3)
        convolution(to: block.channels, kernel: 3, seen: block.channels)
        if block.stride > 1 || channels != block.channels {
          convolution(to: block.channels, kernel: 1)
        }
      case .inverted(let expansion):
        let hidden = expansion * channels
        if expansion > 1 { convolution(to: hidden, kernel: 1) }
        (height, width) = (block.reduced(height), block.reduced(width))
        convolution(to: hidden, kernel: 3, seen: 1)
        convolution(to: block.channels, kernel: 1, seen: hidden)
      }
      channels = block.channels
    }
    if let head = outline.head {
      convolution(to: head.channels, kernel: 1)
      channels = head.channels
    }
    return (activations, parameters + (channels + 1) * classCount)
  }

  /// Bytes that training takes at the very least on a rank: the results of all convolutions and
  /// normalisations for each thread's microbatch; weights, velocity and gradients.
  public func leastTrainingBytes(microbatch: Int, threads: Int) -> Int {
    let floats = floats
    let perImage = 2.0 * Double(floats.activations) * Double(threads)
    let bytes = 4 * (perImage * Double(microbatch) + 3 * Double(floats.parameters))
    return Int(min(bytes, 0x1p62))
  }

  /// Bytes that scoring `batch` images on each thread takes at the very least on a rank: the results
  /// of all convolutions, weights, and the two gradients between layers, which are not counted.
  public func leastScoringBytes(batch: Int, threads: Int) -> Int {
    let floats = floats
    let bytes =
      4 * (Double(floats.activations) * Double(batch * threads) + Double(floats.parameters))
    return Int(min(bytes, 0x1p62))
  }
}

extension NetworkOutline.Block {
  /// Rows or columns behind the block's stride.
  fileprivate func reduced(_ size: Int) -> Int { (size - 1) / stride + 1 }
}
