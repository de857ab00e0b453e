import MecaData

/// Which image set a run works on.
public enum DatasetKind: String, Codable, Sendable, CaseIterable {
  /// The built-in procedural set; needs no file.
  case shapes
  /// CIFAR-10 in the binary format.
  case cifar10
  /// CIFAR-100 in the binary format (fine labels).
  case cifar100
  /// Tiny ImageNet in its original layout, or an excerpt of its classes.
  case tinyImageNet = "tiny-imagenet"
  /// Imagenette, any of its archives.
  case imagenette
  /// JPEG and PNG files in a folder for each class.
  case folder
  /// NumPy arrays of images and labels.
  case npy
  /// A file that `meca-dist pack` has written.
  case packed
  /// A poisoned set of backdoor-toolbox.
  case backdoorToolbox = "backdoor-toolbox"
  /// A record of BackdoorBench, over the clean set that it was made of.
  case backdoorBench = "backdoorbench"

  /// Number of classes, where the kind alone fixes it: sets that were written in CIFAR-100's format
  /// may have more than 100.
  public var classCount: Int? {
    switch self {
    case .shapes, .cifar10: 10
    case .cifar100, .tinyImageNet, .imagenette, .folder, .npy, .packed, .backdoorToolbox,
      .backdoorBench:
      nil
    }
  }

  /// Whether this is a form that any set can have, and not a certain set.
  public var holdsAnySet: Bool {
    [.folder, .npy, .packed, .backdoorToolbox, .backdoorBench].contains(self)
  }

  /// Whether a record of BackdoorBench can be read over a clean set of this kind.
  ///
  /// Not those whose order of samples is this program's own, which a record's numbers do not mean.
  public var mayBeChanged: Bool {
    [.cifar10, .cifar100, .tinyImageNet, .npy, .packed].contains(self)
  }

  /// Whether sets that `meca-dist poison` has written are read under this kind.
  public var mayBeWritten: Bool { [.folder, .cifar10, .cifar100, .npy].contains(self) }

  /// How images of other sizes are brought to the wanted one by default; nil for kinds that are
  /// not made of image files.
  public var usualFit: ImageFit? {
    switch self {
    case .shapes, .cifar10, .cifar100, .npy, .packed, .backdoorToolbox, .backdoorBench: nil
    case .tinyImageNet, .folder: .cover
    case .imagenette: .margin
    }
  }

  /// Whether the images are JPEG or PNG files, which are decoded and resized.
  public var isMadeOfImageFiles: Bool { usualFit != nil }

  /// Rows and columns of the images by default; nil for kinds of one size, and for `folder`, whose
  /// files decide.
  public var usualImageSize: Int? {
    switch self {
    case .shapes, .cifar10, .cifar100, .folder, .npy, .packed, .backdoorToolbox, .backdoorBench: nil
    case .tinyImageNet: 64
    case .imagenette: 224
    }
  }
}

/// What happens when an image file cannot be decoded.
public enum BadImagePolicy: String, Codable, Sendable, CaseIterable {
  /// The run ends with an error that names the file.
  case stop
  /// The sample is left out on every rank, and reported.
  case skip
}

/// The data of a run.
public struct DataConfiguration: Codable, Hashable, Sendable {
  /// Kind of set.
  public var dataset: DatasetKind
  /// Folder of the files; nil for the built-in set.
  public var path: String?
  /// Seed of the built-in set's images, and of the choice of held-out images.
  public var seed: UInt64
  /// Training samples at most; nil takes all (the built-in set has 6,000 then).
  public var trainLimit: Int?
  /// Test samples at most; nil takes all (the built-in set has 2,000 then).
  public var testLimit: Int?
  /// Rows and columns to bring image files to; nil for kinds of one size, and where all files of a
  /// folder have the same.
  public var imageSize: Int?
  /// How image files are brought to that size; nil for kinds without image files.
  public var imageFit: ImageFit?
  /// What happens to files that cannot be decoded; nil for kinds without image files.
  public var onBadImage: BadImagePolicy?
  /// Share of each class to hold out, an error where a folder has test images; nil for the usual one.
  public var testShare: Double?
  /// Share that is usual where a folder has no test images: that of a stored model's run; nil for
  /// everybody's.
  public var usualTestShare: Double?
  /// Folder of the test images of a set of backdoor-toolbox; nil for the toolbox's own place.
  public var testPath: String?
  /// Where the clean images are that a record of BackdoorBench changes.
  public var basePath: String?
  /// How those are read; nil for the kind that the record names.
  public var baseDataset: DatasetKind?
  /// Label of the poisoned samples, for a record of BackdoorBench that does not tell it.
  public var recordTarget: Int?

  /// Whether `seed` decides anything: what the built-in set draws, what a folder holds out.
  public var usesSeed: Bool {
    dataset == .shapes || (dataset == .backdoorBench ? baseDataset : dataset) == .folder
  }

  /// All values but those of the toolboxes.
  public init(
    dataset: DatasetKind, path: String?, seed: UInt64, trainLimit: Int?, testLimit: Int?,
    imageSize: Int? = nil, imageFit: ImageFit? = nil, onBadImage: BadImagePolicy? = nil,
    testShare: Double? = nil
  ) {
    self.dataset = dataset
    self.path = path
    self.seed = seed
    self.trainLimit = trainLimit
    self.testLimit = testLimit
    self.imageSize = imageSize
    self.imageFit = imageFit
    self.onBadImage = onBadImage
    self.testShare = testShare
  }
}
