extension NetworkConfiguration {
  /// Floats of all convolutions' results for one image, and of all trainable parameters.
  ///
  /// From the formulas of the architecture alone: nothing is planned or allocated for it.
  /// - Source: He et al. 2015, arXiv:1512.03385, table 1.
  package var floats: (activations: Int, parameters: Int) {
    var activations = 0
    var parameters = 0
    func convolution(from input: Int, to output: Int, kernel: Int, height: Int, width: Int) {
      activations += output * height * width
      // Kernels, then scale and shift of the normalisation.
      parameters += output * input * kernel * kernel + 2 * output
    }
    var (height, width, channels) = (imageHeight, imageWidth, self.width)
    convolution(
      from: Self.imageChannels, to: channels, kernel: 3, height: height, width: width)
    for (stage, blocks) in architecture.blocksPerStage.enumerated() {
      let output = self.width << stage
      if stage > 0 { (height, width) = ((height + 1) / 2, (width + 1) / 2) }
      for block in 0..<blocks {
        convolution(from: channels, to: output, kernel: 3, height: height, width: width)
        convolution(from: output, to: output, kernel: 3, height: height, width: width)
        if stage > 0 && block == 0 {
          convolution(from: channels, to: output, kernel: 1, height: height, width: width)
        }
        channels = output
      }
    }
    return (activations, parameters + (channels + 1) * classCount)
  }

  /// Bytes that training takes at the very least on a rank: the results of all convolutions and
  /// normalisations for each thread's microbatch; weights, velocity, gradients and their sum.
  public func leastTrainingBytes(microbatch: Int, threads: Int) -> Int {
    let floats = floats
    let perImage = 2.0 * Double(floats.activations) * Double(threads)
    let bytes = 4 * (perImage * Double(microbatch) + 4 * Double(floats.parameters))
    return Int(min(bytes, 0x1p62))
  }
}
