#include "keeper/keeper.h"

int main(void)
{
	return keeper_run();
}
