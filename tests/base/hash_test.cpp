// SHA-256: known answers of FIPS 180-4 and of the NIST examples.
#include "base/hash.h"

#include "support/support.h"

namespace prunenet {
namespace {

std::string hash_in_pieces(const std::string& text, size_t piece) {
  Sha256 hash;
  for (size_t at = 0; at < text.size(); at += piece) {
    hash.update(std::as_bytes(std::span(text)).subspan(at, std::min(piece, text.size() - at)));
  }
  return hash.hex_digest();
}

TEST(Sha256, GivesTheKnownAnswers) {
  const std::vector<std::pair<std::string, std::string>> known{
      {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
      {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
      {std::string(1000000, 'a'), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"}};
  for (const auto& [text, digest] : known) EXPECT_EQ(hash_in_pieces(text, 1 << 20), digest);
}

TEST(Sha256, DoesNotDependOnThePieces) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += static_cast<char>(i * 7);
  const std::string whole = hash_in_pieces(text, text.size());
  for (size_t piece : {1u, 3u, 63u, 64u, 65u, 999u}) EXPECT_EQ(hash_in_pieces(text, piece), whole) << piece;
}

TEST(Sha256, AnEmptyUpdateChangesNothing) {
  Sha256 hash;
  hash.update({});
  EXPECT_EQ(hash.hex_digest(), hash_in_pieces("", 1));
}

}  // namespace
}  // namespace prunenet
