import MecaCore

/// NumPy arrays.
///
/// The normalisation constants are those of all training images, with a limit too.
public struct NumpyFormat: DatasetFormat {
  /// What people should know.
  public static let facts = FormatFacts(
    name: "npy", sentence: "NumPy arrays of images and labels.",
    place: .folder(with: "train-images.npy and so on"), holdsAnySet: true, mayBeWritten: true,
    mayBeChanged: true)

  /// None.
  public let settings: NoFormatSettings

  /// Makes it.
  public init(_ settings: NoFormatSettings) { self.settings = settings }

  /// The arrays, mapped.
  public func open(_ place: DataPlace) throws -> Opening {
    let folder = try NumpyFolder(place.path)
    var sets = FoundSets(
      training: folder.training.prefix(place.trainLimit),
      test: folder.test.prefix(place.testLimit))
    sets.triggered = folder.triggered.map { set in
      // Which test sample each one is, nobody has written down.
      let first = set.prefix(place.testLimit)
      return FoundTriggered(
        set: first, target: folder.target ?? 0, testIndices: (0..<Int32(first.count)).map { $0 })
    }
    if let triggered = sets.triggered {
      sets.warnings.append(
        "nothing says which test samples the \(triggered.set.count) triggered ones are made of: they are "
          + "taken for the first")
    }
    sets.measured = folder.training
    sets.checks = [folder.training, folder.test, folder.triggered].compactMap(\.self).map { set in
      SharedCheck(count: set.count) { try set.verifyPixels(of: $0) }
    }
    return .sets(sets)
  }
}
