import MecaAttacks
import MecaCore
import MecaDatasets
import MecaTensor
import MecaTraining

extension TrainingCommand {
  /// Says what the run is about, once the data is open.
  func announce(_ plan: RunPlan, data: TrainingData, session: TrainingSession) {
    session.journal.detail("engine: \(session.engine.fingerprint)")
    if session.engine.kind == .openblas, let note = OpenBLASCoreType.note {
      session.journal.say(note)
    }
    session.journal.say(
      "data: \(data.training.name), \(data.training.count) training and \(data.test.count) test "
        + "samples, \(data.classCount) classes")
    session.journal.say(data.opening)
    session.journal.say(
      "augmentation: " + plan.recipe.augmentation.summary(for: data.training.imageShape)
    )
    warnOfFewSteps(plan, data: data, journal: session.journal)
    announceAttack(data: data, journal: session.journal)
  }

  /// Warns where the models that are kept would learn in large steps, and few.
  func warnOfFewSteps(_ plan: RunPlan, data: TrainingData, journal: Journal) {
    guard goal == .models,
      let warning = StepLayout.warning(
        samples: data.training.count, batch: plan.compute.batch, epochs: plan.recipe.epochs)
    else { return }
    journal.warn(warning)
  }

  /// Says what is poisoned, and what was asked for but could not be had.
  private func announceAttack(data: TrainingData, journal: Journal) {
    guard let truth = data.truth else { return }
    let attack = data.attack
    func words(_ label: Int) -> String { classWords(label, data.training.classNames) }
    func share(_ count: Int, of all: Int) -> String {
      "\(fixed(Double(count) / Double(max(1, all)) * 100, 2)) %"
    }
    let (poisons, covers) = (truth.count(.poison), truth.count(.cover))
    var text = "\(poisons) poisoned (\(share(poisons, of: data.training.count)))"
    if covers > 0 {
      text += ", \(covers) covers with their true label (\(share(covers, of: data.training.count)))"
    }
    guard let poisoned = data.poisoned, !data.isAttackedAnew else {
      let isStored = !attack.isNone && !data.isAttackedAnew
      journal.say(
        "truth: the set says of itself: \(text)"
          + (isStored ? ", by \(attack.name), target class \(words(attack.target))" : ""))
      if data.isAttackedAnew {
        journal.say(
          "attack: \(attack.name) in test images alone, target class \(words(attack.target))")
      }
      return
    }
    text = "attack: \(attack.name), \(text), target class \(words(attack.target))"
    if let source = attack.attack.source {
      let members = truth.originalLabels.count { Int($0) == source }
      text += ", source class \(words(source)) (\(share(poisons, of: members)) of it poisoned)"
    }
    journal.say(text)
    for shortfall in poisoned.shortfalls { journal.warn(shortfall) }
  }
}
