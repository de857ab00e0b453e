/// How the images of a written set are stored.
public enum SetFormat: String, Codable, Sendable, CaseIterable {
  /// A PNG file an image, a folder a class.
  case png
  /// Records of CIFAR-10's binary files.
  case cifar10
  /// Records of CIFAR-100's binary files; the coarse label is 0.
  case cifar100
  /// NumPy arrays.
  case npy

  /// Classes that a label byte of the CIFAR formats can tell apart.
  public static let mostCIFARClasses = 256

  /// The CIFAR format for so many classes: CIFAR-10's readers refuse labels above 9.
  public static func cifar(classCount: Int) -> SetFormat { classCount <= 10 ? .cifar10 : .cifar100 }
}
