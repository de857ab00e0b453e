/// Which of the two computations a network does.
enum Pass {
  /// Normalisation by the microbatch's own statistics; weight gradients and statistics are written.
  case training(TrainingResult)
  /// Normalisation by the running statistics; no weight gradients.
  case evaluation
}

/// Where one training pass of one microbatch puts what it yields.
struct TrainingResult {
  /// Laid out like `Model.parameters`.
  let gradients: UnsafeMutablePointer<Float>
  /// Batch means and unbiased variances, laid out like `Model.statistics`.
  let statistics: UnsafeMutablePointer<Float>
}
