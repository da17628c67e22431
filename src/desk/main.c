#include "desk/desk.h"

int main(void)
{
	return desk_run();
}
