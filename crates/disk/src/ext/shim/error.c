/* Errors: what they are about, and what libext2fs would print on stderr. */
#include "shim.h"

static _Thread_local char complaint[256];

static void complain(const char *whoami, errcode_t code, const char *format, va_list args)
{
	int n = snprintf(complaint, sizeof complaint, "%s: ", whoami ? whoami : "libext2fs");
	if (n > 0 && (size_t)n < sizeof complaint && format)
		vsnprintf(complaint + n, sizeof complaint - (size_t)n, format, args);
	(void)code;
}

/* Not thread-safe: called once. */
void comeback_ext_init(void)
{
	initialize_ext2_error_table();
	set_com_err_hook(complain);
}

const char *comeback_ext_error(long code)
{
	return error_message(code);
}

/* What an error is about; the numbers are those of sys.rs. */
int comeback_ext_class(long code)
{
	switch (code) {
	case EXT2_ET_BLOCK_ALLOC_FAIL:
		return 1;
	case EXT2_ET_INODE_ALLOC_FAIL:
		return 2;
	case EXT2_ET_FILE_NOT_FOUND:
		return 3;
	case EXT2_ET_BAD_MAGIC:
	case EXT2_ET_CORRUPT_SUPERBLOCK:
	case EXT2_ET_SB_CSUM_INVALID:
	case EXT2_ET_BAD_DESC_SIZE:
	case EXT2_ET_BAD_INODE_NUM:
	case EXT2_ET_BAD_BLOCK_NUM:
	case EXT2_ET_GDESC_BAD_BLOCK_MAP:
	case EXT2_ET_GDESC_BAD_INODE_MAP:
	case EXT2_ET_GDESC_BAD_INODE_TABLE:
	case EXT2_ET_MISSING_INODE_TABLE:
	case EXT2_ET_DIR_CORRUPTED:
	case EXT2_ET_DIR_NO_SPACE_FOR_CSUM:
	case EXT2_ET_DIR_CSUM_INVALID:
	case EXT2_ET_INODE_CSUM_INVALID:
	case EXT2_ET_INODE_CORRUPTED:
	case EXT2_ET_INODE_IS_GARBAGE:
	case EXT2_ET_EXTENT_HEADER_BAD:
	case EXT2_ET_EXTENT_INDEX_BAD:
	case EXT2_ET_EXTENT_LEAF_BAD:
	case EXT2_ET_EXTENT_CSUM_INVALID:
	case EXT2_ET_EXTENT_CYCLE:
	case EXT2_ET_EXTENT_NO_DOWN:
	case EXT2_ET_EXT_ATTR_CSUM_INVALID:
	case EXT2_ET_BAD_EA_BLOCK_NUM:
	case EXT2_ET_BAD_EA_HEADER:
	case EXT2_ET_EA_KEY_NOT_FOUND:
	case EXT2_ET_EA_BAD_NAME_LEN:
	case EXT2_ET_EA_BAD_VALUE_SIZE:
	case EXT2_ET_EA_BAD_VALUE_OFFSET:
	case EXT2_ET_EA_INODE_CORRUPTED:
	case EXT2_ET_BAD_CRC:
	case EXT2_ET_FILESYSTEM_CORRUPTED:
	case EXT2_ET_BLOCK_BITMAP_CSUM_INVALID:
	case EXT2_ET_INODE_BITMAP_CSUM_INVALID:
		return 4;
	case EXT2_ET_FILE_TOO_BIG:
	case EXT2_ET_EA_NO_SPACE:
	case EXT2_ET_MISSING_EA_FEATURE:
	case EXT2_ET_DIR_NO_SPACE:
		return 5;
	default:
		return 0;
	}
}

/* What libext2fs complained of since the last call, or NULL. */
const char *comeback_ext_complaint(char *buf, uint64_t len)
{
	if (!complaint[0])
		return NULL;
	snprintf(buf, len, "%s", complaint);
	complaint[0] = 0;
	return buf;
}

void comeback_ext_supported(uint32_t *incompat, uint32_t *ro_compat)
{
	*incompat = EXT2_LIB_FEATURE_INCOMPAT_SUPP;
	*ro_compat = EXT2_LIB_FEATURE_RO_COMPAT_SUPP;
}
