import MecaNN

/// ResNet and MobileNetV2 in `Double` with the plainest loops: forward only, gradients by central differences.
///
/// Shares no line with MecaNN but the tensors' names; this is what the fast network is checked with.
struct ReferenceNetwork {
  /// An activation `[N, C, H, W]`.
  struct Activation {
    var batch: Int
    var channels: Int
    var height: Int
    var width: Int
    var values: [Double]
  }

  let configuration: NetworkConfiguration
  /// Weights and statistics by name, row-major.
  var tensors: [String: [Double]] = [:]
  /// Whether normalisations use the batch's own statistics.
  var training: Bool

  init(_ model: Model, training: Bool) {
    configuration = model.configuration
    self.training = training
    for tensor in model.exportTensors() { tensors[tensor.name] = tensor.values.map(Double.init) }
  }

  /// Logits `[N][classes]` of raw images `[N, 3, H, W]`.
  func logits(_ images: [Double]) -> [[Double]] {
    let batch = images.count / configuration.imageCount
    let plane = configuration.imageHeight * configuration.imageWidth
    var x = Activation(
      batch: batch, channels: 3, height: configuration.imageHeight, width: configuration.imageWidth,
      values: images)
    for index in x.values.indices {
      let channel = index / plane % 3
      x.values[index] =
        (x.values[index] - Double(configuration.mean[channel]))
        / Double(configuration.standardDeviation[channel])
    }
    let classifier: String
    switch configuration.architecture {
    case .resnet18: (x, classifier) = (residualBlocks(x, [2, 2, 2, 2]), "fc")
    case .resnet34: (x, classifier) = (residualBlocks(x, [3, 4, 6, 3]), "fc")
    case .mobilenetv2: (x, classifier) = (invertedBlocks(x), "classifier.1")
    }
    let area = x.height * x.width
    return (0..<batch).map { n in
      let pooled = (0..<x.channels).map { c in
        x.values[(n * x.channels + c) * area..<(n * x.channels + c + 1) * area].reduce(0, +)
          / Double(area)
      }
      return (0..<configuration.classCount).map { k in
        var sum = tensors["\(classifier).bias"]![k]
        for c in 0..<x.channels {
          sum += tensors["\(classifier).weight"]![k * x.channels + c] * pooled[c]
        }
        return sum
      }
    }
  }

  /// Stem and stages of a ResNet.
  private func residualBlocks(_ image: Activation, _ counts: [Int]) -> Activation {
    var x = image
    if configuration.stem == .imagenet {
      x = largest(relu(normalise(convolve(x, "conv1", kernel: 7, stride: 2), "bn1")))
    } else {
      x = relu(normalise(convolve(x, "conv1", kernel: 3, stride: 1), "bn1"))
    }
    for (stage, count) in counts.enumerated() {
      for index in 0..<count {
        let name = "layer\(stage + 1).\(index)"
        let stride = stage > 0 && index == 0 ? 2 : 1
        var y = relu(
          normalise(convolve(x, "\(name).conv1", kernel: 3, stride: stride), "\(name).bn1"))
        y = normalise(convolve(y, "\(name).conv2", kernel: 3, stride: 1), "\(name).bn2")
        if tensors["\(name).downsample.0.weight"] != nil {
          x = normalise(
            convolve(x, "\(name).downsample.0", kernel: 1, stride: stride), "\(name).downsample.1")
        }
        x = relu(sum(x, y))
      }
    }
    return x
  }

  /// Stem, 17 blocks and last convolution of MobileNetV2; only the strides are known here, the sizes
  /// are those of the tensors.
  private func invertedBlocks(_ image: Activation) -> Activation {
    func activated(_ x: Activation, _ name: String, kernel: Int, stride: Int, groups: Int = 1)
      -> Activation
    {
      let y = convolve(x, "\(name).0", kernel: kernel, stride: stride, groups: groups)
      return relu(normalise(y, "\(name).1"), limit: 6)
    }
    let early = configuration.stem == .imagenet ? 2 : 1
    var x = activated(image, "features.0", kernel: 3, stride: early)
    for index in 1...17 {
      let stride = index == 2 ? early : [4, 7, 14].contains(index) ? 2 : 1
      let name = "features.\(index).conv"
      var y = x
      if index > 1 { y = activated(y, "\(name).0", kernel: 1, stride: 1) }
      let first = index > 1 ? 1 : 0
      y = activated(y, "\(name).\(first)", kernel: 3, stride: stride, groups: y.channels)
      y = normalise(
        convolve(y, "\(name).\(first + 1)", kernel: 1, stride: 1), "\(name).\(first + 2)")
      x = stride == 1 && x.channels == y.channels ? sum(x, y) : y
    }
    return activated(x, "features.18", kernel: 1, stride: 1)
  }

  private func sum(_ x: Activation, _ y: Activation) -> Activation {
    var z = y
    for place in z.values.indices { z.values[place] += x.values[place] }
    return z
  }

  /// `Σ coefficient · min(CE, cap)` over the samples.
  func loss(_ images: [Double], _ objectives: [SampleObjective]) -> Double {
    var total = 0.0
    for (row, objective) in zip(logits(images), objectives) {
      let capped = min(crossEntropy(row, objective.label), Double(objective.lossCap))
      total += Double(objective.coefficient) * capped
    }
    return total
  }

  private func convolve(
    _ x: Activation, _ name: String, kernel: Int, stride: Int, groups: Int = 1
  ) -> Activation {
    let weights = tensors["\(name).weight"]!
    let inputs = x.channels / groups
    let outputs = weights.count / (inputs * kernel * kernel)
    let padding = kernel / 2
    let height = (x.height + 2 * padding - kernel) / stride + 1
    let width = (x.width + 2 * padding - kernel) / stride + 1
    var y = Activation(
      batch: x.batch, channels: outputs, height: height, width: width,
      values: [Double](repeating: 0, count: x.batch * outputs * height * width))
    for n in 0..<x.batch {
      for k in 0..<outputs {
        for i in 0..<height {
          for j in 0..<width {
            var sum = 0.0
            for place in 0..<inputs {
              let c = k * groups / outputs * inputs + place
              for r in 0..<kernel {
                let row = i * stride + r - padding
                guard row >= 0 && row < x.height else { continue }
                for s in 0..<kernel {
                  let column = j * stride + s - padding
                  guard column >= 0 && column < x.width else { continue }
                  sum +=
                    weights[((k * inputs + place) * kernel + r) * kernel + s]
                    * x.values[((n * x.channels + c) * x.height + row) * x.width + column]
                }
              }
            }
            y.values[((n * outputs + k) * height + i) * width + j] = sum
          }
        }
      }
    }
    return y
  }

  private func normalise(_ x: Activation, _ name: String) -> Activation {
    var y = x
    let area = x.height * x.width
    for c in 0..<x.channels {
      let places = (0..<x.batch).flatMap { n in
        (0..<area).map { (n * x.channels + c) * area + $0 }
      }
      var mean = tensors["\(name).running_mean"]![c]
      var variance = tensors["\(name).running_var"]![c]
      if training {
        let count = Double(places.count)
        mean = places.map { x.values[$0] }.reduce(0, +) / count
        variance = places.map { (x.values[$0] - mean) * (x.values[$0] - mean) }.reduce(0, +) / count
      }
      let scale = tensors["\(name).weight"]![c] / (variance + 1e-5).squareRoot()
      let shift = tensors["\(name).bias"]![c]
      for place in places { y.values[place] = (x.values[place] - mean) * scale + shift }
    }
    return y
  }

  /// 3×3 max pooling, stride 2, padding 1.
  private func largest(_ x: Activation) -> Activation {
    let (height, width) = ((x.height + 1) / 2, (x.width + 1) / 2)
    var y = Activation(
      batch: x.batch, channels: x.channels, height: height, width: width, values: [])
    for plane in 0..<x.batch * x.channels {
      for i in 0..<height {
        for j in 0..<width {
          let rows = max(0, 2 * i - 1)...min(x.height - 1, 2 * i + 1)
          let columns = max(0, 2 * j - 1)...min(x.width - 1, 2 * j + 1)
          let seen = rows.flatMap { row in
            columns.map { x.values[(plane * x.height + row) * x.width + $0] }
          }
          y.values.append(seen.max()!)
        }
      }
    }
    return y
  }

  private func relu(_ x: Activation, limit: Double = .infinity) -> Activation {
    var y = x
    for index in y.values.indices { y.values[index] = min(max(0, y.values[index]), limit) }
    return y
  }
}
