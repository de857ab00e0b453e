import MecaCore
import MecaImages
import MecaMPI
import MecaNN

/// Mean loss and accuracy of the first group over one epoch, measured while it was learnt.
public struct EpochSummary: Sendable, Equatable {
  /// Mean cross entropy, nats.
  public var loss: Double
  /// Fraction of samples whose prediction was their label.
  public var accuracy: Double

  /// All values.
  public init(loss: Double, accuracy: Double) { (self.loss, self.accuracy) = (loss, accuracy) }
}

extension TrainingSession {
  /// Trains `model` on `set`: the one training loop of the project.
  ///
  /// A step: every rank computes the gradients of its logical shards, sums them along the fixed
  /// tree, all ranks exchange the sums along the same tree, and every rank applies the same SGD
  /// update: w ← w − η·(Nesterov momentum of ±Σ_shards ∇ + weight decay · w); see
  /// `Lesson.ascendBelow` for the sign.
  ///
  /// Within a stage it leaves snapshots behind, and goes on from one. Where a rank is asked to stop, it
  /// saves and ends after the step.
  ///
  /// - Ranks: collective; all ranks hold the same weights before and after.
  /// - Parameters:
  ///   - key: what orders and augmentation are drawn from.
  ///   - test: what the model is asked about after each epoch, for the log and the metrics alone.
  ///   - afterEpoch: called on every rank after each epoch that is computed, with its number from 0.
  /// - Returns: the summary of the last epoch.
  /// - Throws: `RemoteFailure` on all ranks with `NonFiniteTraining` if the loss of an epoch or the
  ///   weights at the end are no numbers, with `NothingToLearn` if a group is empty, with `FileError`
  ///   if an image could not be read any more, with `StoppedRun`, with
  ///   `DriftedRanks`; MPI errors.
  @discardableResult
  public func train(
    _ model: Model, on set: any ImageSet, _ lesson: Lesson, _ recipe: TrainingRecipe,
    key: StageKey, test: EpochTest? = nil,
    afterEpoch: (Int, EpochSummary) throws -> Void = { _, _ in }
  ) throws -> EpochSummary {
    let title = title(of: key)
    if lesson.groups.contains(where: \.indices.isEmpty) {
      try communicator.collectively { throw NothingToLearn(stage: title) }
    }
    let network = model.configuration
    let images = recipe.epochs * imagesOfEpoch(lesson)
    report?.beginTraining(images: images, network)
    return try act("train \(key)") { summary in
      TrainedModel(state: model.state, summary: summary).columns
    } decode: { columns in
      let trained = try TrainedModel(columns: columns)
      try model.restore(trained.state)
      report?.skip(.training, images, network)
      report?.skip(.judging, recipe.epochs * (test?.imageCount ?? 0), network)
      return trained.summary
    } compute: { act in
      try traced("train \(title)", .training) {
        try run(
          TrainingCourse(
            model: model, set: set, lesson: lesson, recipe: recipe, key: key, title: title,
            test: test), act, afterEpoch: afterEpoch)
      }
    }
  }

  private func run(
    _ course: TrainingCourse, _ act: StageProgress.Act?,
    afterEpoch: (Int, EpochSummary) throws -> Void
  ) throws -> EpochSummary {
    let model = course.model
    let recipe = course.recipe
    let seed = course.key.seed(of: compute.seed)
    let workers = try (0..<compute.threads).map { _ in
      try ShardWorker(model: model, microbatch: compute.microbatch)
    }
    let tally = StepTally(groups: course.lesson.groups.count, after: model.reductionCount)
    let summation = GradientSummation(
      session: self, head: model.parameters.count,
      elementCount: model.reductionCount + tally.elementCount)
    let optimiser = SGD(model: model)
    let setup = SGDConfiguration(
      momentum: recipe.momentum, nesterov: true, weightDecay: recipe.weightDecay)
    let filling = ShardFilling(
      course.lesson, augmentation: recipe.augmentation, set: course.set, compute: compute,
      seed: seed)
    let test = try course.test.map { try EpochTest.Planned($0, of: model, self) }
    var summary = EpochSummary(loss: .nan, accuracy: .nan)
    var start = try TrainingMoment.start(act?.within, model, optimiser, tally)
    if act?.within != nil {
      journal.say("\(course.title): goes on in epoch \(start.epoch + 1), step \(start.step)")
      report?.skip(
        .training, start.epoch * imagesOfEpoch(course.lesson) + start.step * compute.batch,
        model.configuration)
      report?.skip(
        .judging, start.epoch * (course.test?.imageCount ?? 0), model.configuration)
    }

    for epoch in start.epoch..<max(recipe.epochs, start.epoch) {
      let order = EpochOrder(
        groups: course.lesson.groups, shards: compute.shards, microbatch: compute.microbatch,
        key: course.key, seed: compute.seed, epoch: epoch)
      let schedule = recipe.learningRates(stepsPerEpoch: order.stepCount)
      let (begin, instant) = (journal.seconds, ContinuousClock.now)
      var total = start.total
      for step in start.step..<order.stepCount {
        let isAskedToStop = stopCause != nil
        let spans = trace?.step(
          step, of: order.stepCount, exposedSeconds: summation.exposedSeconds)
        let sum = try summation.sum { thread, shard, result, produced in
          let worker = workers[thread]
          let number = filling.fill(
            worker, thread: thread, order: order, epoch: epoch, step: step, shard: shard)
          worker.lane.train(
            UnsafeBufferPointer(worker.objectives), reduction: result, produced: produced)
          tally.write(
            losses: worker.lane.losses.pointer, predictions: worker.lane.predictions.pointer,
            objectives: UnsafeBufferPointer(worker.objectives), group: number,
            isReadable: filling.fault == nil, isAskedToStop: isAskedToStop, to: result)
        }
        spans?.summed(exposedSeconds: summation.exposedSeconds)
        if !tally.isReadable(sum) { try requireReadable(filling.fault) }
        let own = tally.read(sum)
        total.add(own)
        average(sum + model.parameters.count, count: model.statistics.count)
        model.applyStatistics(sum + model.parameters.count)
        optimiser.step(
          model, gradient: sum,
          gradientScale: course.lesson.direction(meanLoss: own.summary(ofGroup: 0).loss)
            * clipFactor(sum, count: model.parameters.count, limit: recipe.gradientClip),
          learningRate: schedule.rate(
            step: epoch * order.stepCount + step, of: recipe.epochs * order.stepCount), setup)
        spans?.end()
        if let report {
          report.add(
            ProgressReport.Step(
              title: course.title, epoch: (epoch + 1, recipe.epochs),
              summary: total.summary(ofGroup: 0), network: model.configuration,
              images: compute.batch))
        }
        let moment = TrainingMoment(epoch: epoch, step: step + 1, total: total)
        if tally.isAskedToStop(sum) {
          try stopIfAsked(act, at: "epoch \(epoch + 1), step \(step + 1)") {
            moment.columns(model, optimiser)
          }
        }
        if let act { try progress?.snapshotIfDue(act) { moment.columns(model, optimiser) } }
      }
      summary = total.summary(ofGroup: 0)
      // The loss of an epoch's last step was that of the weights before it.
      if !summary.loss.isFinite || epoch == recipe.epochs - 1 && !model.isFinite {
        try communicator.collectively {
          throw NonFiniteTraining(stage: course.title, epoch: epoch)
        }
      }
      try compareNowAndThen(model, afterSteps: order.stepCount - start.step)
      let seconds = journal.seconds - begin
      let exchange = summation.takeStatistics()
      trace?.addEpoch(epoch + 1, from: instant, summary, exchange)
      let answers = try test.map { test in
        try traced("test after epoch \(epoch + 1)", .evaluation) {
          try test.run {
            try stopIfAsked(act, at: "epoch \(epoch + 1), test") {
              TrainingMoment(epoch: epoch, step: order.stepCount, total: total).columns(
                model, optimiser)
            }
          }
        }
      }
      let steps = recipe.epochs * order.stepCount
      let last = (epoch + 1) * order.stepCount
      try note(
        FinishedEpoch(
          course: course, number: epoch + 1, summary: summary, step: last,
          learningRate: schedule.rate(step: last - 1, of: steps),
          images: (order.stepCount - start.step) * compute.batch, seconds: seconds,
          answers: answers), exchange)
      try afterEpoch(epoch, summary)
      start = TrainingMoment(epoch: epoch + 1, step: 0, total: tally.zero)
    }
    return summary
  }

  /// Images that an epoch's steps see, of all groups.
  private func imagesOfEpoch(_ lesson: Lesson) -> Int {
    compute.batch
      * EpochOrder.stepCount(
        groups: lesson.groups, shards: compute.shards, microbatch: compute.microbatch)
  }

  /// What a training is called in the log: its key, or its stage's where it draws from a key that
  /// other stages share.
  private func title(of key: StageKey) -> String {
    guard let stage = progress?.key, !key.path.starts(with: stage.path) else {
      return key.description
    }
    return stage.description
  }

  /// The factor that brings the gradient's 2-norm down to `limit`, 1 if it is below.
  private func clipFactor(
    _ gradient: UnsafePointer<Float>, count: Int, limit: Float?
  ) -> Float {
    guard let limit else { return 1 }
    let norm = SGD.norm(gradient, count: count)
    return norm > Double(limit) ? Float(Double(limit) / norm) : 1
  }

  /// Turns a sum over the logical shards into their mean.
  private func average(_ values: UnsafeMutablePointer<Float>, count: Int) {
    let factor = 1 / Float(compute.shards)
    for place in 0..<count { values[place] *= factor }
  }
}

extension Lesson {
  /// The sign of a step: −1 where its mean loss is below `ascendBelow`, 0 where it is just that.
  ///
  /// - Source: Li et al. 2021, arXiv:2110.11571, equation (3).
  package func direction(meanLoss: Double) -> Float {
    guard let ascendBelow else { return 1 }
    let gap = meanLoss - Double(ascendBelow)
    return gap > 0 ? 1 : gap < 0 ? -1 : 0
  }
}

extension TrainingRecipe {
  /// The course of the learning rate for epochs of the given length.
  func learningRates(stepsPerEpoch: Int) -> LearningRateSchedule {
    let decay: LearningRateSchedule.Decay
    switch schedule {
    case .constant: decay = .constant
    case .cosine: decay = .cosine
    case .step: decay = .steps(at: [0.5, 0.75], factor: 0.1)
    }
    return LearningRateSchedule(
      base: Double(learningRate),
      warmUpSteps: min(Int((rampEpochs * Float(stepsPerEpoch)).rounded()), epochs * stepsPerEpoch),
      decay: decay)
  }
}

/// A training was left without samples.
public struct NothingToLearn: ReportableError {
  /// Stage of the run.
  public let stage: String

  /// Of a stage.
  package init(stage: String) { self.stage = stage }

  /// The process's exit status.
  public var exitCode: ExitCode { .badData }

  /// One line for people.
  public var description: String {
    "\(stage): no training samples are left to learn from; the set is too small, or all of it was "
      + "flagged: take more samples, or check the poison rate"
  }
}

/// Training left the numbers: a learning rate too large, or damaged input.
public struct NonFiniteTraining: ReportableError {
  /// Stage of the run.
  public let stage: String
  /// Epoch within it, from 0.
  public let epoch: Int

  /// The process's exit status.
  public var exitCode: ExitCode { .badData }

  /// One line for people.
  public var description: String {
    "\(stage), epoch \(epoch + 1): loss or weights are not numbers any more; lower the learning "
      + "rate of this stage (meca-dist defenses lists every defence's rates), or check the images"
  }
}
