/// Letters of 5×7 pixels for captions in pictures: the printable characters of ASCII.
///
/// Each is 35 bits, row by row from the top, the leftmost pixel of a row highest.
enum PixelFont {
  /// Pixels of a letter, with the two rows that some reach below the line.
  static let (width, height) = (5, 9)
  /// From one letter to the next, and from one line to the next.
  static let (advance, lineAdvance) = (6, 11)

  /// Whether the pixel at `row` and `column` of a letter is set; an unknown letter is a full box.
  static func isSet(_ letter: Unicode.Scalar, row: Int, column: Int) -> Bool {
    let own = row - ("gpqy".unicodeScalars.contains(letter) ? 2 : 0)
    guard own >= 0 && own < 7 else { return false }
    let place = Int(letter.value) - 32
    let bits = letters.indices.contains(place) ? letters[place] : 0x7FF_FFF_FFF
    return bits >> UInt64(34 - own * width - column) & 1 == 1
  }

  // swift-format-ignore
  private static let letters: [UInt64] = [
    0x000_000_000, 0x108_421_004, 0x294_000_000, 0x295_F57_D4A, 0x11F_471_7C4,  // blank ! " # $
    0x672_222_273, 0x325_445_64D, 0x108_000_000, 0x088_842_082, 0x208_210_888,  // % & ' ( )
    0x009_575_480, 0x008_4F9_080, 0x000_001_888, 0x000_070_000, 0x000_000_18C,  // * + , - .
    0x042_222_210, 0x3A3_3AE_62E, 0x118_421_08E, 0x3A2_132_21F, 0x782_170_43E,  // / 0 1 2 3
    0x08C_A97_C42, 0x7E1_E08_62E, 0x191_0F4_62E, 0x7C2_221_084, 0x3A3_174_62E,  // 4 5 6 7 8
    0x3A3_178_44C, 0x008_401_080, 0x008_401_088, 0x088_882_082, 0x001_F07_C00,  // 9 : ; < =
    0x208_208_888, 0x3A2_131_004, 0x3A3_7AD_A0F, 0x3A3_1FC_631, 0x7A3_1F4_63E,  // > ? @ A B
    0x3A3_084_22E, 0x7A3_18C_63E, 0x7E1_0F4_21F, 0x7E1_0F4_210, 0x3A3_0BC_62E,  // C D E F G
    0x463_1FC_631, 0x388_421_08E, 0x1C4_210_A4C, 0x465_4C5_251, 0x421_084_21F,  // H I J K L
    0x477_5AC_631, 0x473_9AC_E71, 0x3A3_18C_62E, 0x7A3_1F4_210, 0x3A3_18D_64D,  // M N O P Q
    0x7A3_1F5_251, 0x3E1_070_43E, 0x7C8_421_084, 0x463_18C_62E, 0x463_18A_944,  // R S T U V
    0x463_1AD_771, 0x462_A22_A31, 0x462_A21_084, 0x7C2_222_21F, 0x390_842_10E,  // W X Y Z [
    0x420_820_821, 0x384_210_84E, 0x115_100_000, 0x000_000_01F, 0x208_000_000,  // \ ] ^ _ `
    0x000_E0B_E2F, 0x421_E8C_63E, 0x000_F84_20F, 0x042_F8C_62F, 0x000_E8F_E0E,  // a b c d e
    0x190_8F2_108, 0x3E3_18B_C2E, 0x421_E8C_631, 0x100_C21_08E, 0x080_610_A4C,  // f g h i j
    0x421_2A6_292, 0x308_421_08E, 0x001_AAD_6B5, 0x001_E8C_631, 0x000_E8C_62E,  // k l m n o
    0x7A3_18F_A10, 0x3E3_18B_C21, 0x001_6C4_210, 0x000_F83_83E, 0x211_E42_106,  // p q r s t
    0x001_18C_62F, 0x001_18C_544, 0x001_1AD_6AA, 0x001_151_151, 0x463_18B_C2E,  // u v w x y
    0x001_F11_11F, 0x0C8_441_083, 0x108_421_084, 0x608_411_098, 0x000_8A8_800,  // z { | } ~
  ]
}
