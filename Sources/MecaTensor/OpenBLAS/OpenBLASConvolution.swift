import CMecaKernels
import COpenBLAS

/// One convolution as matrix products over im2col matrices, channels last.
///
/// A row of the column matrix holds the `R·R·C` inputs under one output point. With weights as a
/// matrix `[R·R·C, K]`: `output = columns · weights`, `gradWeights = columnsᵀ · gradOutput`,
/// `gradColumns = gradOutput · weightsᵀ`, whose rows are then added back to the input points. A 1x1
/// kernel with stride 1 and no padding needs no copy: the input is its own column matrix.
final class OpenBLASConvolution: PermutedWeights {
  let weightCount: Int
  let preparedCount = 0
  let kernelNames = ["im2col + sgemm", "sgemm + col2im", "im2col + sgemm"]

  private let shape: ConvolutionShape
  private let geometry: meca_geometry
  private let workspace: Workspace
  /// Images whose column matrices are made at once; depends on the shape without its batch.
  private let imagesPerChunk: Int

  init(_ shape: ConvolutionShape, workspace: Workspace) {
    self.shape = shape
    self.workspace = workspace
    weightCount = shape.weightCount
    geometry = meca_geometry(
      channels: Int64(shape.inputChannels), height: Int64(shape.inputHeight),
      width: Int64(shape.inputWidth), kernel: Int64(shape.kernel), stride: Int64(shape.stride),
      padding: Int64(shape.padding), out_height: Int64(shape.outputHeight),
      out_width: Int64(shape.outputWidth))
    // 4 MiB stays in the last cache; a single image's matrix may be larger.
    let most = 1 << 20
    let floats =
      shape.outputHeight * shape.outputWidth * shape.kernel * shape.kernel * shape.inputChannels
    imagesPerChunk = max(1, most / floats)
    if !isPointwise { workspace.reserve(min(imagesPerChunk, shape.batch) * floats) }
  }

  private var isPointwise: Bool { shape.kernel == 1 && shape.stride == 1 && shape.padding == 0 }
  private var depth: Int { shape.kernel * shape.kernel * shape.inputChannels }
  private var inputCount: Int { shape.inputHeight * shape.inputWidth * shape.inputChannels }
  private var outputPoints: Int { shape.outputHeight * shape.outputWidth }

  /// Visits every weight's place in `[K, C, R, S]` and in `[R, S, C, K]`.
  func forEachWeight(_ visit: (_ canonical: Int, _ own: Int) -> Void) {
    let points = shape.kernel * shape.kernel
    for k in 0..<shape.outputChannels {
      for c in 0..<shape.inputChannels {
        for point in 0..<points {
          visit(
            (k * shape.inputChannels + c) * points + point,
            (point * shape.inputChannels + c) * shape.outputChannels + k)
        }
      }
    }
  }

  func forward(
    input: UnsafePointer<Float>, weights: UnsafePointer<Float>, prepared: UnsafePointer<Float>,
    output: UnsafeMutablePointer<Float>
  ) {
    forEachChunk { first, images in
      let columns = self.columns(of: input + first * inputCount, images: images)
      let k = shape.outputChannels
      // A product for each image: the order of a sum depends on where a row lies in the matrix.
      for image in 0..<images {
        cblas_sgemm(
          CblasRowMajor, CblasNoTrans, CblasNoTrans, Int32(outputPoints), Int32(k),
          Int32(depth), 1, columns + image * outputPoints * depth, Int32(depth), weights,
          Int32(k), 0, output + (first + image) * outputPoints * k, Int32(k))
      }
    }
  }

  func backwardInput(
    gradOutput: UnsafePointer<Float>, weights: UnsafePointer<Float>,
    prepared: UnsafePointer<Float>, gradInput: UnsafeMutablePointer<Float>
  ) {
    forEachChunk { first, images in
      let target = gradInput + first * inputCount
      let columns = isPointwise ? target : workspace.pointer
      let k = shape.outputChannels
      for image in 0..<images {
        cblas_sgemm(
          CblasRowMajor, CblasNoTrans, CblasTrans, Int32(outputPoints), Int32(depth),
          Int32(k), 1, gradOutput + (first + image) * outputPoints * k, Int32(k), weights,
          Int32(k), 0, columns + image * outputPoints * depth, Int32(depth))
      }
      if !isPointwise { meca_columns_to_images(geometry, Int64(images), columns, target) }
    }
  }

  func backwardWeights(
    input: UnsafePointer<Float>, gradOutput: UnsafePointer<Float>,
    gradWeights: UnsafeMutablePointer<Float>
  ) {
    forEachChunk { first, images in
      let columns = self.columns(of: input + first * inputCount, images: images)
      let k = shape.outputChannels
      cblas_sgemm(
        CblasRowMajor, CblasTrans, CblasNoTrans, Int32(depth), Int32(k),
        Int32(images * outputPoints), 1, columns, Int32(depth),
        gradOutput + first * outputPoints * k, Int32(k), first == 0 ? 0 : 1, gradWeights, Int32(k))
    }
  }

  private func forEachChunk(_ body: (_ first: Int, _ images: Int) -> Void) {
    for first in stride(from: 0, to: shape.batch, by: imagesPerChunk) {
      body(first, min(imagesPerChunk, shape.batch - first))
    }
  }

  private func columns(
    of input: UnsafePointer<Float>, images: Int
  ) -> UnsafePointer<Float> {
    if isPointwise { return input }
    meca_images_to_columns(geometry, Int64(images), input, workspace.pointer)
    return UnsafePointer(workspace.pointer)
  }
}
