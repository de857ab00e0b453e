import MecaCore
import MecaTraining

/// First verdict, from what the enhanced detectors still fit.
struct Suspicion {
  /// Labels whose evidence falls apart into two modes, ascending.
  var labels: [Int]
  /// How far each label's evidence falls apart; see `TwoModes.separation`.
  var separation: [Double]
  /// Whether each sample is suspected.
  var isSuspect: [Bool]
}

extension MeCaMethod {
  /// Suspects, within each label that stands out, whom the enhanced detectors fit best.
  ///
  /// A label stands out if its separation, averaged over all iterations, is above the threshold
  /// and a multiple of the median label's. Within it a sample is suspected if it is fitted, by the
  /// majority of the last three iterations, and its loss is in the lower of the two modes that the
  /// losses of its label form under its detector. Fitted alone (the paper's rule) is not enough: a
  /// detector may end as one that gives the target class to everything that looks like it. No such
  /// label means that the data is clean or that the detectors could not tell.
  ///
  /// Decided on rank 0 and broadcast.
  ///
  /// - Ranks: collective; every rank returns the same.
  func suspect(_ evidence: Evidence, of detectors: CrossFit) throws -> Suspicion {
    let separation = try bench.decided { meanSeparation(evidence) }
    let labels = standingOut(separation)
    let isSuspect = try bench.decided {
      var isSuspect = [Bool](repeating: false, count: data.count)
      let members = membersOfLabels(data.labels)
      for label in labels {
        for fold in detectors.models.indices {
          let judged = members[label].filter { Int(detectors.foldOfSample[$0]) == fold }
          for member in evidence.fittedLowerMode(of: judged) { isSuspect[member] = true }
        }
      }
      return isSuspect
    }
    return Suspicion(labels: labels, separation: separation, isSuspect: isSuspect)
  }

  /// Each label's separation, averaged over the warm-up and all iterations.
  private func meanSeparation(_ evidence: Evidence) -> [Double] {
    let members = membersOfLabels(data.labels)
    return (0..<data.classCount).map { label in
      guard label < members.count else { return 0 }
      return evidence.logLosses.reduce(0) { sum, losses in
        sum + twoModes(members[label].map { losses[$0] }).separation
      } / Double(evidence.logLosses.count)
    }
  }

  /// The labels that medians are taken over: those with enough samples for their losses to have a
  /// shape.
  ///
  /// An empty label falls apart by 0; half of the labels empty, and the median would be 0, so that
  /// every label stands out.
  var comparedLabels: [Int] {
    let sizes = membersOfLabels(data.labels).map(\.count)
    let enough = sizes.indices.filter { sizes[$0] >= GivenData.fewSamples }
    return enough.count > 1 ? enough : sizes.indices.filter { sizes[$0] > 0 }
  }

  /// The labels above the threshold that also stand out from the median of all labels.
  private func standingOut(_ separation: [Double]) -> [Int] {
    let median = lowerMedian(comparedLabels.map { separation[$0] })
    return separation.indices.filter {
      separation[$0] > Double(settings.separationThreshold)
        && separation[$0] > Double(settings.separationRatio) * median
    }
  }
}

extension Evidence {
  /// The samples, among those of one label that one detector judged, that it fitted in the majority
  /// of the last iterations and whose losses lie in the lower of their two modes.
  ///
  /// - Ranks: local.
  package func fittedLowerMode(of judged: [Int]) -> [Int] {
    let votes = fitted.suffix(Self.roundsAveraged)
    let logLoss = logLoss
    let modes = twoModes(judged.map { logLoss[$0] })
    return judged.filter { sample in
      Double(logLoss[sample]) <= modes.threshold
        && votes.filter { $0[sample] }.count * 2 > votes.count
    }
  }
}
