// swift-tools-version: 6.0
import Foundation
import PackageDescription

/// What the environment says about oneDNN.
///
/// It has no pkg-config file; its header in the system's include path says that it is there.
/// `MECA_ONEDNN=0` builds without it (OpenBLAS engine alone), `MECA_ONEDNN=1` insists on it.
let oneDNNWanted = ProcessInfo.processInfo.environment["MECA_ONEDNN"]
let oneDNNFound =
  oneDNNWanted == "1"
  || (oneDNNWanted != "0"
    && ["/usr/include/dnnl.h", "/usr/local/include/dnnl.h"].contains {
      FileManager.default.fileExists(atPath: $0)
    })

let swiftFlags: [SwiftSetting] = oneDNNFound ? [.define("MECA_ONEDNN")] : []
let kernelFlags: [CSetting] = [
  .unsafeFlags(["-O3", "-fno-math-errno", "-ffp-contract=off"])
]

/// What defences, reports and commands are built on.
let belowDefenses: [Target.Dependency] = [
  "MecaTraining", "MecaDatasets", "MecaFormats", "MecaTorchFiles", "MecaImages", "MecaAttacks",
  "MecaNN", "MecaTensor", "MecaMPI", "MecaCore",
]

var targets: [Target] = [
  .systemLibrary(
    name: "COpenMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev"])]),
  .systemLibrary(
    name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
  .systemLibrary(
    name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
  .systemLibrary(
    name: "CJPEG", pkgConfig: "libjpeg", providers: [.apt(["libjpeg-dev"])]),
  .systemLibrary(
    name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
  .systemLibrary(
    name: "CWebP", pkgConfig: "libwebp", providers: [.apt(["libwebp-dev"])]),
  .target(name: "CMecaShims", dependencies: ["COpenMPI"]),
  .target(name: "CMecaImages", dependencies: ["CJPEG", "CPNG", "CWebP"]),
  .target(name: "CMecaKernels", cSettings: kernelFlags),

  .target(name: "CMecaFiles"),
  .target(name: "CMecaSignals"),
  .target(name: "MecaCore", dependencies: ["COpenSSL", "CMecaFiles"]),
  .target(name: "MecaMPI", dependencies: ["CMecaShims", "CMecaFiles", "MecaCore"]),
  .target(
    name: "MecaTensor",
    dependencies: ["COpenBLAS", "CMecaKernels", "MecaCore"] + (oneDNNFound ? ["COneDNN"] : []),
    swiftSettings: swiftFlags),
  .target(name: "MecaNN", dependencies: ["MecaTensor", "MecaCore"]),
  .target(
    name: "MecaExport",
    dependencies: [
      "MecaNN", "MecaTensor", "MecaCore",
      .product(name: "SwiftProtobuf", package: "swift-protobuf"),
    ],
    // Their Swift code is made by tools/protobuf.sh and committed.
    exclude: ["Protobuf/onnx.proto", "Protobuf/tensorboard.proto"]),
  .target(name: "MecaImages", dependencies: ["CMecaImages", "MecaCore"]),
  // What parses other people's programs is a unit of its own, to be audited and fuzzed.
  .target(name: "MecaTorchFiles", dependencies: ["MecaCore"]),
  .target(name: "MecaFormats", dependencies: ["MecaTorchFiles", "MecaImages", "MecaCore"]),
  .target(name: "MecaAttacks", dependencies: ["MecaImages", "MecaCore"]),
  .target(
    name: "MecaDatasets",
    dependencies: [
      "MecaFormats", "MecaAttacks", "MecaImages", "MecaTorchFiles", "MecaMPI", "MecaCore",
    ]),
  // From here on targets name all modules below them: SwiftPM recompiles a target only for changes
  // of those it names, and one whose structures hold another module's by value must be recompiled
  // with it.
  .target(
    name: "MecaTraining",
    dependencies: [
      "MecaTensor", "MecaNN", "MecaDatasets", "MecaFormats", "MecaTorchFiles", "MecaImages",
      "MecaAttacks", "MecaMPI", "MecaCore", "CMecaSignals",
      .product(name: "Logging", package: "swift-log"),
    ]),
  .target(name: "MecaDefenses", dependencies: belowDefenses),
  .target(
    name: "MecaReport",
    dependencies: belowDefenses + [
      "MecaDefenses", "MecaExport", .product(name: "Mustache", package: "swift-mustache"),
    ]),
  .target(
    name: "MecaCommands",
    dependencies: belowDefenses + [
      "MecaDefenses", "MecaReport", "MecaExport",
      .product(name: "ArgumentParser", package: "swift-argument-parser"),
      .product(name: "Logging", package: "swift-log"),
      "Yams",
    ]),
  .executableTarget(name: "meca-dist", dependencies: ["MecaCommands", "MecaTensor"]),
  // Internal: what the tests of MecaMPI start under mpirun.
  .target(name: "CSandbox", path: "Tests/CSandbox"),
  .executableTarget(name: "meca-mpi-probe", dependencies: ["MecaMPI", "MecaCore", "CSandbox"]),

  .testTarget(name: "MecaCoreTests", dependencies: ["MecaCore"]),
  .testTarget(
    name: "MecaTensorTests", dependencies: ["MecaTensor", "CMecaKernels"],
    swiftSettings: swiftFlags),
  .testTarget(
    name: "MecaNNTests", dependencies: ["MecaNN", "MecaTestSupport"], resources: [.copy("Golden")]),
  .testTarget(
    name: "MecaExportTests",
    dependencies: belowDefenses + [
      "MecaExport", "MecaReport", "MecaTestSupport",
      .product(name: "SwiftProtobuf", package: "swift-protobuf"),
      .product(name: "Logging", package: "swift-log"),
    ]),
  .testTarget(
    name: "MecaDataTests",
    dependencies: [
      "MecaDatasets", "MecaFormats", "MecaTorchFiles", "MecaImages", "MecaCore", "MecaTestSupport",
    ],
    resources: [.copy("Fixtures")]),
  .testTarget(
    name: "MecaAttacksTests",
    dependencies: [
      "MecaAttacks", "MecaDatasets", "MecaFormats", "MecaImages", "MecaCore", "MecaTestSupport",
    ]),
  // Internal: starts programs under mpirun for the tests, makes the pickles of PyTorch, writes
  // files, reads those of TensorBoard, listens to journals.
  .target(
    name: "MecaTestSupport",
    dependencies: [
      "MecaExport", .product(name: "SwiftProtobuf", package: "swift-protobuf"),
      .product(name: "Logging", package: "swift-log"),
    ],
    path: "Tests/MecaTestSupport"),
  .testTarget(
    name: "MecaMPITests",
    dependencies: ["MecaMPI", "MecaCore", "MecaTestSupport", "meca-mpi-probe"]),
  // Internal: the program with a defence, an attack and a format more, for the tests.
  .executableTarget(
    name: "meca-toy",
    dependencies: belowDefenses + ["MecaDefenses", "MecaCommands"], path: "Tests/Toy"),
  .testTarget(
    name: "MecaTrainingTests", dependencies: belowDefenses + ["MecaReport", "MecaTestSupport"]),
  .testTarget(name: "MecaDefensesTests", dependencies: belowDefenses + ["MecaDefenses"]),
  .testTarget(
    name: "MecaCommandsTests",
    dependencies: [
      "MecaCommands", "MecaDefenses", "MecaExport", "MecaNN", "MecaDatasets", "MecaFormats",
      "MecaImages", "MecaAttacks", "MecaMPI", "MecaCore", "MecaTestSupport", "meca-dist",
      "meca-toy", "meca-mpi-probe",
      .product(name: "SwiftProtobuf", package: "swift-protobuf"),
    ]),
]
if oneDNNFound {
  targets.append(.systemLibrary(name: "COneDNN", providers: [.apt(["libdnnl-dev"])]))
}

let package = Package(
  name: "meca-dist",
  products: [.executable(name: "meca-dist", targets: ["meca-dist"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
    .package(url: "https://github.com/hummingbird-project/swift-mustache", from: "2.1.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
  ],
  targets: targets,
  cLanguageStandard: .c11
)
